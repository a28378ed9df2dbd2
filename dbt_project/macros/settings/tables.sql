{#- A table of vectors in the words of the statements: see `_Source` in `sqlstab/sql.py`.
      relation   what stands after FROM
      settings   of a side, as `settings` returns them
      filter     a further condition
      share      only such a share of the rows, chosen by a hash of the id -#}
{%- macro table(relation, side, settings, filter=none, share=1.0) -%}
{%- set dialect = sqlstab.dialect() -%}
{%- set columns = [] -%}
{%- for name in settings["columns"] -%}
{%- do columns.append("t." ~ name) -%}
{%- endfor -%}
{%- if settings["layout"] == "wide" -%}
{%- set array = dialect.array if columns | length > 1 else dialect.array_of_one or dialect.array -%}
{%- set vector = sqlstab.filled(array, [columns | join(", ")]) -%}
{%- else -%}
{%- set vector = sqlstab.filled(dialect.from_native, [columns[-1]]) if settings["native"] else columns[-1] -%}
{%- endif -%}
{%- set conditions = [settings["filter"], filter] | select | list -%}
{{ return({
    "side": side,
    "layout": settings["layout"],
    "element": settings["type"],
    "relation": relation | string,
    "id": "t." ~ settings["id"],
    "id_text": sqlstab.filled(dialect.as_text, ["t." ~ settings["id"]]),
    "vector": vector,
    "columns": columns,
    "dimension": columns[0] if settings["layout"] == "long" else "",
    "first": settings["first"],
    "filter": conditions | join(")\n    AND (") if conditions else none,
    "weight": "t." ~ settings["weight"] if settings["weight"] else none,
    "anchor_filter": settings["anchor_filter"],
    "keep": [],
    "keep_names": [],
    "below": sqlstab.below(share),
    "only_valid": none,
    "mean": [],
    "unit": false
}) }}
{%- endmacro -%}

{#- The text of eight hexadecimal digits that this share of all digests is below; none for all of them. -#}
{%- macro below(share) -%}
{%- if share >= 1 -%}
{{ return(none) }}
{%- endif -%}
{%- set rest = namespace(number=(share * 4294967296) | round | int, digits="") -%}
{%- for place in range(8) -%}
{%- set rest.digits = "0123456789abcdef"[rest.number % 16] ~ rest.digits -%}
{%- set rest.number = rest.number // 16 -%}
{%- endfor -%}
{{ return(rest.digits) }}
{%- endmacro -%}

{#- The settings of the stable table of a side: as the raw one, but for what concerns raw vectors alone. -#}
{%- macro stable_settings(side) -%}
{%- set raw = sqlstab.settings(side) -%}
{%- set columns = raw["columns"] -%}
{%- if raw["layout"] == "wide" and sqlstab.stable_dimension() != sqlstab.dimension() -%}
{%- set columns = sqlstab.vector_columns("e0..e" ~ (sqlstab.stable_dimension() - 1), "the stable " ~ side) -%}
{%- endif -%}
{{ return(dict(raw, columns=columns, filter=none, weight=none, anchor_filter=none)) }}
{%- endmacro -%}

{#- How stable vectors are written: see `StableTable` in `sqlstab/tables.py`. -#}
{%- macro output(settings, dimension, type=none) -%}
{{ return({
    "layout": settings["layout"],
    "id": settings["id"],
    "vector": settings["columns"],
    "element": type or settings["type"],
    "dimension": dimension,
    "first": settings["first"],
    "native": settings["native"]
}) }}
{%- endmacro -%}

{#- A matrix of a run: `run` is a text, or a query of one. -#}
{%- macro matrix(relation, side, rows, run, transposed=false) -%}
{%- set name = relation | string -%}
{%- if transposed -%}
{%- set swapped = "t.run_id AS run_id, t.side AS side, t.j AS i, t.i AS j, t.value AS value" -%}
{%- set name = "(SELECT " ~ swapped ~ " FROM " ~ name ~ " AS t) AS transposed" -%}
{%- endif -%}
{{ return({"relation": name, "condition": "side = '" ~ side ~ "' AND run_id = " ~ run, "rows": rows}) }}
{%- endmacro -%}

{%- macro this_run() -%}
(SELECT run_id FROM {{ sqlstab.own("run") }})
{%- endmacro -%}

{%- macro reference_run() -%}
(SELECT reference_run_id FROM {{ sqlstab.own("run") }})
{%- endmacro -%}
