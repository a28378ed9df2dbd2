{#- Made from sql/neighbours.sql.jinja by `make dbt-macros`: change that, not this. -#}

{%- macro statement_neighbours(dialect, run, reference, nearest, cosine, queries) -%}
{%- set scores = [
    ["run", "q.x", "c.x", run.size, "q.norm * c.norm"],
    ["reference", "q.y", "c.y", reference.size, "q.reference_norm * c.reference_norm"],
    ["index", "q.x", "c.y", [run.size, reference.size] | min, "q.norm * c.reference_norm"],
] -%}
-- The {{ nearest }} nearest neighbours of some ids by {{ "cosine" if cosine else "dot product" }}, among {{ sqlstab.part_pairs_ids_of(run) }}:
-- how many in the run, how many of them in the reference too, and how many of the reference's are found
-- when the run's vector is looked up among the reference's.
SELECT
    sum(CASE WHEN run_rank <= {{ nearest }} THEN 1 ELSE 0 END) AS n_neighbours,
    sum(CASE WHEN run_rank <= {{ nearest }} AND reference_rank <= {{ nearest }} THEN 1 ELSE 0 END) AS n_both,
    sum(CASE WHEN index_rank <= {{ nearest }} AND reference_rank <= {{ nearest }} THEN 1 ELSE 0 END) AS n_found
FROM (
    SELECT
        {%- for name, _, _, _, _ in scores %}
        row_number() OVER (PARTITION BY query_id ORDER BY {{ name }}_score DESC, id) AS {{ name }}_rank{{ "," if not loop.last }}
        {%- endfor %}
    FROM (
        SELECT
            q.id AS query_id,
            c.id AS id,
            {%- for name, a, b, size, norms in scores %}
            {{ "(" ~ sqlstab.part_dot(dialect, a, b, size) ~ ") / nullif(" ~ norms ~ ", 0)" if cosine else sqlstab.part_dot(dialect, a, b, size) }} AS {{ name }}_score{{ "," if not loop.last }}
            {%- endfor %}
        FROM (
            {{ sqlstab.part_pairs_measured_pairs(queries[0], queries[1], dialect) | indent(12) }}
        ) AS q
        CROSS JOIN (
            {{ sqlstab.part_pairs_measured_pairs(run, reference, dialect) | indent(12) }}
        ) AS c
    ) AS scores
    WHERE
        query_id <> id
        -- A zero vector has no cosine.
        {%- for name, _, _, _, _ in scores %}
        AND {{ name }}_score IS NOT NULL
        {%- endfor %}
) AS ranks
{%- endmacro -%}
