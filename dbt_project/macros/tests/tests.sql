{#- Generic tests. Each looks at the rows that its `where` leaves, in the other relations too. -#}

{#- Runs in a raw table that the maps lack. -#}
{% test every_run_has_a_map(model, by, raw) -%}
SELECT DISTINCT r.{{ by }} AS run_without_map
FROM {{ sqlstab.rows_of(get_where_subquery(raw)) }} AS r
WHERE NOT EXISTS (
    SELECT 1
    FROM {{ sqlstab.rows_of(model) }} AS m
    WHERE m.{{ by }} = r.{{ by }}
)
{%- endtest %}

{#- Ids that stand twice in a run. -#}
{% test one_vector_per_id(model, by, id) -%}
SELECT r.{{ by }}, r.{{ id }}, count(*) AS n_rows
FROM {{ sqlstab.rows_of(model) }} AS r
GROUP BY r.{{ by }}, r.{{ id }}
HAVING count(*) > 1
{%- endtest %}

{#- Vectors that are NULL, have another number of components or one that is no finite number; ids that are NULL or
    stand twice in a run. -#}
{% test valid_vectors(model, by, id, dimension, vector='embedding') -%}
{{ sqlstab.problems(model, by, id, vector, dimension) }}
{%- endtest %}

{#- Runs whose scores, the dot products of users and items, are other than those of the raw vectors. On the stable
    items; of so many users and so many items of each run. -#}
{% test scores_preserved(
    model, by, item_id, user_id, stable_users, raw_items, raw_users, vector='embedding', tolerance=1e-5, rows=50
) -%}
SELECT
    i.run_key AS run_key,
    max(abs({{ sqlstab.dot('i.x', 'u.x') }} - {{ sqlstab.dot('i.y', 'u.y') }})) AS largest_error
FROM {{ sqlstab.raw_and_stable(model, raw_items, by, item_id, vector, rows) }} AS i
JOIN {{ sqlstab.raw_and_stable(get_where_subquery(stable_users), raw_users, by, user_id, vector, rows) }} AS u
    ON u.run_key = i.run_key
GROUP BY i.run_key
HAVING NOT coalesce(
    max(abs({{ sqlstab.dot('i.x', 'u.x') }} - {{ sqlstab.dot('i.y', 'u.y') }})) <= {{ tolerance }} * max(abs({{ sqlstab.dot('i.x', 'u.x') }})),
    false
)
{%- endtest %}

{#- Rows (run_key, x, y) of so many ids of each run; a stable vector without a raw one has no score that is right. -#}
{% macro raw_and_stable(stable, raw, by, id, vector, rows) -%}
(
    SELECT s.run_key AS run_key, r.x AS x, s.x AS y
    FROM (
        SELECT
            v.*,
            row_number() OVER (PARTITION BY v.run_key ORDER BY md5(CAST(v.id AS varchar))) AS place
        FROM {{ sqlstab.vectors_of(stable, by, id, vector) }} AS v
    ) AS s
    LEFT JOIN {{ sqlstab.vectors_of(raw, by, id, vector) }} AS r ON r.run_key = s.run_key AND r.id = s.id
    WHERE s.place <= {{ rows }}
)
{%- endmacro %}

{#- Runs whose maps were made from other vectors than those that are there now. On the stable items: of a map's own
    vectors the Gram matrices of both sides are equal, after a change of either they are not. -#}
{% test maps_are_current(model, by, stable_users, dimension, vector='embedding', tolerance=1e-4) -%}
SELECT
    i.run_key AS run_key,
    max(abs(i.size - u.size)) / max(i.size) AS largest_difference
FROM {{ sqlstab.sizes(model, by, vector, dimension) }} AS i
JOIN {{ sqlstab.sizes(get_where_subquery(stable_users), by, vector, dimension) }} AS u
    ON u.run_key = i.run_key AND u.k = i.k
GROUP BY i.run_key
HAVING NOT coalesce(max(abs(i.size - u.size)) <= {{ tolerance }} * max(i.size), false)
{%- endtest %}

{#- Rows (run_key, k, size): the sum of squares of each component. -#}
{% macro sizes(relation, by, vector, dimension) -%}
(
    SELECT r.run_key AS run_key, n.k AS k, sum(r.x[n.k + 1] * r.x[n.k + 1]) AS size
    FROM (SELECT * FROM {{ sqlstab.vectors_of(relation, by, none, vector) }} AS v {{ sqlstab.fence() }}) AS r
    CROSS JOIN {{ sqlstab.numbers(dimension) }} AS n
    GROUP BY r.run_key, n.k
)
{%- endmacro %}

{#- Whether the newest run's vectors are where those of the run before are. Both are taken as they stand: h is the mean
    cosine of the same id, c that of any two ids, and the agreement above chance (h - c) / (1 - c). -#}
{% test aligned(model, by, id, vector='embedding', at_least=0.5) -%}
{%- set newest = "SELECT max(n." ~ by ~ ") AS run_key FROM " ~ sqlstab.rows_of(model) ~ " AS n" -%}
{%- set before = newest ~ " WHERE n." ~ by ~ " < (" ~ newest ~ ")" -%}
{%- set rows = [] -%}
{%- for at in [newest, before] -%}
{%- do rows.append(sqlstab.unit("SELECT v.id, v.x, 1E0 AS w FROM " ~ sqlstab.vectors_of(model, by, id, vector)
    ~ " AS v WHERE v.run_key = (" ~ at ~ ")")) -%}
{%- endfor -%}
WITH
sqlstab_pairs AS MATERIALIZED (
    SELECT a.x AS x, a.w AS v, b.x AS y, b.w AS w
    FROM (
        {{ rows[0] | indent(8) }}
    ) AS a
    JOIN (
        {{ rows[1] | indent(8) }}
    ) AS b ON b.id = a.id
    WHERE a.w > 0 AND b.w > 0
),
-- The mean vector of each run: their dot product is the mean cosine of any two ids.
sqlstab_means AS (
    SELECT avg(u.v * u.x) AS x, avg(u.w * u.y) AS y
    FROM (
        SELECT p.v AS v, p.w AS w, generate_subscripts(p.x, 1) AS k, unnest(p.x) AS x, unnest(p.y) AS y
        FROM sqlstab_pairs AS p
    ) AS u
    GROUP BY u.k
)
SELECT
    ({{ newest }}) AS run_key,
    ({{ before }}) AS earlier_run,
    a.n_ids,
    a.cosine,
    a.chance,
    a.agreement
FROM (
    SELECT
        h.n_ids AS n_ids,
        h.cosine AS cosine,
        c.cosine AS chance,
        -- Of vectors in one direction it says nothing.
        (h.cosine - c.cosine) / CASE WHEN c.cosine < 1 - 1E-9 THEN 1 - c.cosine END AS agreement
    FROM (
        SELECT count(*) AS n_ids, avg(p.v * p.w * {{ sqlstab.dot('p.x', 'p.y') }}) AS cosine
        FROM sqlstab_pairs AS p
    ) AS h
    CROSS JOIN (SELECT sum(m.x * m.y) AS cosine FROM sqlstab_means AS m) AS c
) AS a
WHERE ({{ before }}) IS NOT NULL AND NOT coalesce(a.agreement >= {{ at_least }}, false)
{%- endtest %}
