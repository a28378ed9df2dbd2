{#- Tests return rows (problem, n, example, what_to_do), none if all is well; `explain` prints them.
      figure   text of the database that the problem's own ends with -#}
{%- macro problem(text, n, what_to_do, example="''", figure=none) -%}
{%- set as_text = sqlstab.dialect().as_text -%}
{%- set said = sqlstab.text_literal(text) ~ (" || " ~ figure if figure else "") -%}
SELECT
    {{ sqlstab.filled(as_text, [said]) }} AS problem,
    CAST({{ n }} AS {{ sqlstab.dialect().bigint }}) AS n,
    {{ sqlstab.filled(as_text, [example]) }} AS example,
    {{ sqlstab.filled(as_text, [sqlstab.text_literal(what_to_do)]) }} AS what_to_do
{%- endmacro -%}

{#- What a generic test says of a table of vectors: the vars of the side, if there is one, and what is said besides. -#}
{%- macro described(side, given) -%}
{%- set named = namespace(settings={}) -%}
{%- for key in given if given[key] is not none -%}
{%- set named.settings = dict(named.settings, **{key: given[key]}) -%}
{%- endfor -%}
{%- set defaults = {
    "id": "id", "vector": "embedding", "layout": "array", "type": "float", "first": 0, "native": false, "filter": none,
    "weight": none, "anchor_filter": none, "dimension": none
} -%}
{%- if side is not none -%}
{%- set defaults = dict(sqlstab.settings(side), dimension=sqlstab.dimension()) -%}
{%- endif -%}
{%- set chosen = dict(defaults, **named.settings) -%}
{%- if chosen["dimension"] is none -%}
{{ sqlstab.refuse("this test needs to know how many components a vector has: give it a dimension, or a side.") }}
{%- endif -%}
{%- set columns = sqlstab.vector_columns(chosen["vector"], "this test") -%}
{%- set layout = given["layout"] or (chosen["layout"] if given["vector"] is none else ("array" if columns | length == 1 else "wide")) -%}
{{ return(dict(chosen, columns=columns, layout=layout)) }}
{%- endmacro -%}

{#- After a run: whose space the stable models are in, if they were built, and whether that was looked at; what the
    tests of this package that failed have found, and what to do about it.

    A stable model that was not selected is not in the results: nothing is said of it. -#}
{%- macro explain(results) -%}
{%- set written = [] -%}
{%- set left = [] -%}
{%- set passed = [] -%}
{%- for result in results -%}
{%- set node = result.node -%}
{%- if node.resource_type == "model" -%}
{%- for side in ["users", "items"] if node.name == var("sqlstab_stable_" ~ side, "").split(".")[-1] -%}
{%- do (written if result.status == "success" else left).append(node.name) -%}
{%- endfor -%}
{%- elif node.name == "sqlstab_run_is_aligned" and result.status in ["pass", "warn"] -%}
{%- do passed.append(node.name) -%}
{%- endif -%}
{%- endfor -%}
{%- if written -%}
{%- for node in graph.nodes.values() if node.resource_type == "model" and node.name == "sqlstab_run" -%}
{%- for row in run_query("SELECT run_id, reference_run_id FROM " ~ node.relation_name) -%}
{%- if left -%}
{%- do log(
    "sqlstab: run " ~ row[0] ~ " was written in part: " ~ written | join(", ") ~ " is of this run, "
    ~ left | join(", ") ~ " is as it was. Build again.", info=true
) -%}
{%- else -%}
{%- set space = "stays in the space of run " ~ row[1] if row[1] else "begins a new space" -%}
{%- do log("sqlstab: run " ~ row[0] ~ " " ~ space ~ ".", info=true) -%}
{%- endif -%}
{%- endfor -%}
{%- endfor -%}
{%- if not passed -%}
{%- do exceptions.warn(
    "sqlstab: " ~ written | join(", ") ~ " replaced without the test sqlstab_run_is_aligned: whether the vectors agree with "
    ~ "the reference was not looked at. Always `dbt build`: `dbt run` and a selection of models run no test. What was "
    ~ "written is tested by `dbt test --select package:sqlstab`."
) -%}
{%- endif -%}
{%- elif left -%}
{%- do log("sqlstab: run " ~ sqlstab.run_id() ~ " was not written; the stable tables are as they were.", info=true) -%}
{%- endif -%}
{%- for result in results if result.status in ["fail", "warn"] and result.node.resource_type == "test" -%}
{%- set node = result.node -%}
{%- if node.package_name == "sqlstab" or (node.test_metadata and node.test_metadata.name.startswith("sqlstab_")) -%}
{%- for row in run_query(node.compiled_code) -%}
{%- set example = " (for example " ~ row[2] ~ ")" if row[2] else "" -%}
{%- do log("sqlstab: " ~ node.name ~ ": " ~ row[1] ~ " " ~ row[0] ~ example ~ ". " ~ row[3], info=true) -%}
{%- endfor -%}
{%- endif -%}
{%- endfor -%}
{%- endmacro -%}
