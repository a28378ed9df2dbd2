{#- What the vars say of one side, checked, with the defaults: a dict. See the README for the keys. -#}
{%- macro settings(side) -%}
{%- if side not in ["users", "items"] -%}
{{ sqlstab.refuse("the side is " ~ side | tojson ~ "; it can be 'users' or 'items'.") }}
{%- endif -%}
{%- set name = "sqlstab_" ~ side -%}
{%- set given = var(name, none) -%}
{%- if given is none -%}
{{ sqlstab.refuse(
    "the var " ~ name ~ " is not set. Name the model with the raw vectors of the " ~ side
    ~ " in dbt_project.yml: vars: {" ~ name ~ ": my_" ~ side[:-1] ~ "_embeddings}."
) }}
{%- endif -%}
{%- set given = {"model": given} if given is string else given -%}
{%- if given is not mapping -%}
{{ sqlstab.refuse("the var " ~ name ~ " is " ~ given | tojson ~ "; it must be a model's name, or a mapping with one as `model`.") }}
{%- endif -%}
{%- set known = {
    "model": none,
    "id": "id",
    "vector": "embedding",
    "layout": none,
    "type": "float",
    "first": 0,
    "native": false,
    "filter": none,
    "weight": none,
    "anchor_filter": none,
    "partition_by": none,
    "partition_version": none,
} -%}
{%- for key in given if key not in known -%}
{{ sqlstab.refuse("the var " ~ name ~ " has no key " ~ key | tojson ~ "; it can have " ~ known | join(", ") ~ ".") }}
{%- endfor -%}
{%- set chosen = dict(known, **given) -%}
{%- if chosen["model"] is not string -%}
{{ sqlstab.refuse("the var " ~ name ~ " names no model; say model: my_" ~ side[:-1] ~ "_embeddings.") }}
{%- endif -%}
{%- if chosen["type"] not in ["float", "double"] -%}
{{ sqlstab.refuse("the type of " ~ name ~ " is " ~ chosen["type"] | tojson ~ "; it can be float (4 bytes) or double (8 bytes).") }}
{%- endif -%}
{%- if chosen["partition_version"] and not chosen["partition_by"] -%}
{{ sqlstab.refuse("partition_version of " ~ name ~ " is of use with partition_by only.") }}
{%- endif -%}
{%- set columns = sqlstab.vector_columns(chosen["vector"], name) -%}
{%- set layout = chosen["layout"] or ("array" if columns | length == 1 else "wide") -%}
{%- if layout not in ["array", "wide", "long"] -%}
{{ sqlstab.refuse("the layout of " ~ name ~ " is " ~ layout | tojson ~ "; it can be array, wide or long.") }}
{%- endif -%}
{%- set wanted = {"array": 1, "long": 2, "wide": sqlstab.dimension()}[layout] -%}
{%- if columns | length != wanted -%}
{{ sqlstab.refuse(
    "in the " ~ layout ~ " layout the vector of " ~ name ~ " is " ~ wanted ~ " column(s), but "
    ~ columns | length ~ " are named; see also sqlstab_dimension."
) }}
{%- endif -%}
{{ return(dict(chosen, columns=columns, layout=layout)) }}
{%- endmacro -%}

{#- Names of a vector's columns: a name, a range as e0..e31, or a list. -#}
{%- macro vector_columns(vector, name) -%}
{%- if vector is not string -%}
{{ return(vector | list) }}
{%- endif -%}
{%- if ".." not in vector -%}
{{ return([vector]) }}
{%- endif -%}
{%- set ends = vector.split("..") -%}
{%- set found = namespace(prefix="", number="") -%}
{%- for character in ends[0] | trim -%}
{%- if character in "0123456789" -%}
{%- set found.number = found.number ~ character -%}
{%- else -%}
{%- set found.prefix = found.prefix ~ found.number ~ character -%}
{%- set found.number = "" -%}
{%- endif -%}
{%- endfor -%}
{%- set last = (ends[1] | trim)[found.prefix | length:] -%}
{%- set columns = [] -%}
{%- if found.number and last and found.prefix ~ last == ends[1] | trim and last | int >= found.number | int -%}
{%- for k in range(found.number | int, last | int + 1) -%}
{%- do columns.append(found.prefix ~ k) -%}
{%- endfor -%}
{%- endif -%}
{%- if not columns -%}
{{ sqlstab.refuse("the vector of " ~ name ~ " is " ~ vector | tojson ~ ", which is no range of columns such as e0..e31.") }}
{%- endif -%}
{{ return(columns) }}
{%- endmacro -%}

{#- A whole number that a var holds. -#}
{%- macro whole_number(name, default, least=1) -%}
{%- set given = var(name, default) -%}
{%- if given is none -%}
{{ sqlstab.refuse("the var " ~ name ~ " is not set; it is a whole number: how many components a vector has.") }}
{%- endif -%}
{%- if given is boolean or given | int(-1) | string != given | string or given | int(-1) < least -%}
{{ sqlstab.refuse("the var " ~ name ~ " is " ~ given | tojson ~ "; it must be a whole number from " ~ least ~ " on.") }}
{%- endif -%}
{{ return(given | int) }}
{%- endmacro -%}

{%- macro dimension() -%}
{{ return(sqlstab.whole_number("sqlstab_dimension", none)) }}
{%- endmacro -%}

{#- Components of a stable vector: more than of a raw one where the model has shrunk. -#}
{%- macro stable_dimension() -%}
{%- set stable = sqlstab.whole_number("sqlstab_stable_dimension", sqlstab.dimension()) -%}
{%- if stable < sqlstab.dimension() -%}
{{ sqlstab.refuse(
    "sqlstab_stable_dimension is " ~ stable ~ ", less than sqlstab_dimension (" ~ sqlstab.dimension()
    ~ "): the space grows when the model does."
) }}
{%- endif -%}
{{ return(stable) }}
{%- endmacro -%}

{#- The sides whose ids hold the space in place. The first one's stable model says which runs there are. -#}
{%- macro anchors() -%}
{%- set anchor = var("sqlstab_anchor", "items") -%}
{%- if anchor not in ["users", "items", "both"] -%}
{{ sqlstab.refuse("the var sqlstab_anchor is " ~ anchor | tojson ~ "; it can be items, users or both.") }}
{%- endif -%}
{{ return(["items", "users"] if anchor == "both" else [anchor]) }}
{%- endmacro -%}

{#- The name of this run. Names are compared as text: the next run's must sort after it. -#}
{%- macro run_id() -%}
{%- set given = var("sqlstab_run_id", none) or run_started_at.strftime("%Y-%m-%d") -%}
{{ return(given | string) }}
{%- endmacro -%}

{#- A model of this package, or of the project. -#}
{%- macro own(name) -%}
{{ return(ref("sqlstab", "sqlstab_" ~ name)) }}
{%- endmacro -%}

{#- A model of the project, or of another package where the name says so: `package.model`. -#}
{%- macro theirs(name) -%}
{%- set parts = name.split(".") -%}
{{ return(ref(parts[0], parts[1]) if parts | length == 2 else ref(project_name, name)) }}
{%- endmacro -%}

{%- macro raw(side) -%}
{{ return(sqlstab.theirs(sqlstab.settings(side)["model"])) }}
{%- endmacro -%}

{%- macro stable_model(side) -%}
{%- set name = "sqlstab_stable_" ~ side -%}
{%- set given = var(name, none) -%}
{%- if given is not string -%}
{{ sqlstab.refuse("the var " ~ name ~ " is not set. Name your model of stable " ~ side ~ ", the one that calls sqlstab.apply.") }}
{%- endif -%}
{{ return(given) }}
{%- endmacro -%}

{#- The stable table as the last run left it; none if there is none.

    There is no ref() to it on purpose: the model is built at the end of a run, from sums over what the run before
    put there, which would be a circle. -#}
{%- macro stable_relation(side) -%}
{%- if not execute -%}
{{ return(none) }}
{%- endif -%}
{%- set name = sqlstab.stable_model(side) -%}
{%- set found = graph.nodes.values() | selectattr("resource_type", "equalto", "model") | selectattr("name", "equalto", name.split(".")[-1]) | list -%}
{%- if not found -%}
{{ sqlstab.refuse("there is no model " ~ name ~ ", which the var sqlstab_stable_" ~ side ~ " names.") }}
{%- endif -%}
{%- set node = found[0] -%}
{{ return(adapter.get_relation(database=node["database"], schema=node["schema"], identifier=node["alias"])) }}
{%- endmacro -%}
