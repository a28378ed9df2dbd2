{%- test sqlstab_no_invalid_vectors(model, side=none, id=none, vector=none, layout=none, type=none, dimension=none, filter=none) -%}
{%- set given = {"id": id, "vector": vector, "layout": layout, "type": type, "dimension": dimension, "filter": filter} -%}
{{ sqlstab.invalid_vectors(model, side or "users", sqlstab.described(side, given)) }}
{%- endtest -%}

{#- What is wrong with the ids and the vectors of a table: one scan for the vectors, one for the ids. -#}
{%- macro invalid_vectors(relation, side, settings) -%}
{%- set dialect = sqlstab.dialect() -%}
{%- set t = sqlstab.table(relation, side, settings) -%}
{%- set e = settings["dimension"] -%}
{%- set example = "min(" ~ sqlstab.filled(dialect.as_text, ["id"]) ~ ")" -%}
{%- set mend = "Mend them where they are made, or leave them out with a filter in the var sqlstab_" ~ side ~ "." -%}
SELECT *
FROM (
    {{ sqlstab.problem(
        "ids that stand more than once in " ~ relation.identifier, "count(*)",
        "Each id must have one vector: a join that multiplies rows is the usual cause. " ~ mend, example
    ) | indent(4) }}
    FROM (
        {{ sqlstab.part_duplicate_ids(t, dialect) | indent(8) }}
    ) AS twice
    UNION ALL
    {{ sqlstab.problem("rows without an id in " ~ relation.identifier, "count(*)", mend) | indent(4) }}
    FROM (
        {{ sqlstab.part_ids(t, dialect) | indent(8) }}
    ) AS ids
    WHERE id IS NULL
    {%- if settings["layout"] != "wide" %}
    UNION ALL
    {{ sqlstab.problem(
        "vectors that are NULL or have not " ~ e ~ " components in " ~ relation.identifier, "count(*)",
        "Is the dimension still what the var sqlstab_dimension says? " ~ mend, example
    ) | indent(4) }}
    FROM (
        {{ sqlstab.part_lengths(t, dialect) | indent(8) }}
    ) AS lengths
    WHERE n IS NULL OR n <> {{ e }}
    {%- endif %}
    UNION ALL
    {{ sqlstab.problem(
        "vectors with a component that is NULL, NaN or infinite in " ~ relation.identifier, "count(*)",
        "Such a component would spoil all sums: has the training diverged? " ~ mend, example
    ) | indent(4) }}
    FROM (
        {%- if dialect.style == "arrays" %}
        {{ sqlstab.part_arrays(t, dialect, t["element"]) | indent(8) }}
        {%- else %}
        {{ sqlstab.part_components(t, dialect, e, complete_only=true) | indent(8) }}
        {%- endif %}
    ) AS r
    WHERE
        {%- if dialect.style == "arrays" %}
        {{ sqlstab.filled(dialect.length, ["x"]) }} = {{ e }}
        AND
        {%- endif %} ({{ sqlstab.part_has_null(dialect, "x", e) }}
        OR NOT ({{ sqlstab.part_finite(t, dialect, "x", e) }}))
) AS problems
WHERE n > 0
{%- endmacro -%}
