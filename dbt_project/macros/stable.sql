{#- The stable vectors of a raw table: each raw vector times the map of its run, as a relation for FROM or JOIN.

    Rows (run, id, vector, keep). A run without a map has no rows, so that no vector is ever NULL or of another map;
    `every_run_has_a_map` tells. -#}
{% macro stable(relation, maps, side, run, id, vector='embedding', keep=[], dimension=none, alias='stable') -%}
(
    {{ sqlstab.through(sqlstab.stored_maps(maps, run, side), relation, run, id, vector, keep, dimension) | indent(4) }}
) AS {{ alias }}
{%- endmacro %}

{#- Each vector of a table times the matrix of its run, from rows (run_key, i, j, value). -#}
{% macro through(entries, relation, run, id, vector, keep, dimension) -%}
{%- set rows -%}
SELECT
    r.{{ run }} AS run_key,
    r.{{ run }},
    r.{{ id }},
    {%- for column in keep %}
    r.{{ column }},
    {%- endfor %}
    {{ sqlstab.doubles('r.' ~ vector) }} AS x
FROM {{ relation }} AS r
{%- endset -%}
{{ sqlstab.multiplied(rows, entries, [run, id], vector, dimension, keep) }}
{%- endmacro %}
