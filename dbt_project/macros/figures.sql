{#- Rows (id, x, w) whose weights make the rows x of length one. -#}
{% macro unit(rows) -%}
SELECT
    l.id AS id,
    l.x AS x,
    coalesce(l.w / nullif(sqrt({{ sqlstab.dot('l.x', 'l.x') }}), 0), 0) AS w
FROM (
    {{ rows | indent(4) }}
    {{ sqlstab.fence() }}
) AS l
{%- endmacro %}

{#- Rows (others, x1, x2, ...) from rows (others, x), or of several vectors. -#}
{% macro components(rows, dimension, others, vectors=['x']) -%}
SELECT
    {%- for other in others %}
    v.{{ other }} AS {{ other }},
    {%- endfor %}
    {%- for vector in vectors %}{% set last = loop.last %}{% for k in range(1, dimension + 1) %}
    v.{{ vector }}[{{ k }}] AS {{ vector }}{{ k }}{{ "," if not (last and loop.last) }}
    {%- endfor %}{% endfor %}
FROM (
    {{ rows | indent(4) }}
    {{ sqlstab.fence() }}
) AS v
{{ sqlstab.fence() }}
{%- endmacro %}

{#- Rows (keys, i, j, value, n_rows): the sum of weight * x_i * y_j over rows p of a query, i <= j if triangular. In
    several parts where there are too many sums for one. -#}
{% macro sums(rows, dimension, y, weight, triangular, keys=[]) -%}
{%- set height = [sqlstab.most_sums() // dimension, 1] | max -%}
{%- for start in range(1, dimension + 1, height) -%}
{%- set end = [start + height - 1, dimension] | min -%}
{{ "\nUNION ALL\n" if not loop.first -}}
SELECT
    {%- for key in keys %}
    g.{{ key }} AS {{ key }},
    {%- endfor %}
    {{ start }} + a.k AS i,
    1 + b.k AS j,
    g.sums[a.k * {{ dimension }} + b.k + 1] AS value,
    g.n_rows AS n_rows
FROM (
    SELECT
        {%- for key in keys %}
        p.{{ key }} AS {{ key }},
        {%- endfor %}
        count(*) AS n_rows,
        ARRAY[
            {%- for i in range(start, end + 1) %}
            {% for j in range(1, dimension + 1) -%}
            {%- if triangular and j < i -%}
            0E0
            {%- else -%}
            sum({{ weight }}p.x{{ i }} * p.{{ y or 'x' }}{{ j }})
            {%- endif -%}
            {{ ", " if not loop.last }}
            {%- endfor %}{{ "," if not loop.last }}
            {%- endfor %}
        ] AS sums
    FROM (
        {{ rows | indent(8) }}
    ) AS p
    {%- if keys %}
    GROUP BY p.{{ keys | join(", p.") }}
    {%- endif %}
) AS g
CROSS JOIN {{ sqlstab.numbers(end - start + 1) }} AS a
CROSS JOIN {{ sqlstab.numbers(dimension) }} AS b
WHERE g.n_rows > 0{{ " AND " ~ start ~ " + a.k <= 1 + b.k" if triangular }}
{%- endfor -%}
{%- endmacro %}

{#- One row (n_ids, agreement) of two queries of rows (id, x, w); none where they share no id.

    Each half of the shared ids is turned onto its counterpart by the other half's best rotation. The mean cosine is h;
    c is the same with each id beside another one's vector, and the agreement above chance (h - c) / (1 - c). -#}
{% macro agreement(rows, earlier_rows, dimension) -%}
WITH
sqlstab_shared AS MATERIALIZED (
    SELECT
        CASE WHEN substr(md5(CAST(a.id AS varchar)), 9, 1) < '8' THEN 0 ELSE 1 END AS half,
        md5(CAST(a.id AS varchar)) AS digest,
        a.x AS x,
        a.w AS v,
        b.x AS y,
        b.w AS w
    FROM (
        {{ sqlstab.unit(rows) | indent(8) }}
    ) AS a
    JOIN (
        {{ sqlstab.unit(earlier_rows) | indent(8) }}
    ) AS b ON b.id = a.id
    WHERE a.w > 0 AND b.w > 0
),
sqlstab_pairs AS MATERIALIZED (
    SELECT 0 AS shuffled, s.half AS half, s.x AS x, s.y AS y, s.v * s.w AS w
    FROM sqlstab_shared AS s
    UNION ALL
    SELECT 1 AS shuffled, s.half, s.x, s.y, s.v * s.w
    FROM (
        SELECT
            r.half AS half,
            r.x AS x,
            r.v AS v,
            lead(r.y) OVER (PARTITION BY r.half ORDER BY r.digest) AS y,
            lead(r.w) OVER (PARTITION BY r.half ORDER BY r.digest) AS w
        FROM sqlstab_shared AS r
    ) AS s
    WHERE s.w IS NOT NULL
),
sqlstab_sums AS MATERIALIZED (
    {%- set pairs = sqlstab.components("SELECT * FROM sqlstab_pairs", dimension, ['shuffled', 'half', 'w'], ['x', 'y']) %}
    {{ sqlstab.sums(pairs, dimension, 'y', 'p.w * ', false, ['shuffled', 'half']) | indent(4) }}
),
sqlstab_omegas AS MATERIALIZED (
    {%- for shuffled in [0, 1] %}{% set first = loop.first %}{% for half in [0, 1] %}
    {{ "UNION ALL" if not (first and loop.first) }}
    SELECT {{ shuffled }} AS shuffled, {{ half }} AS half, o.k AS i, o.j AS j, o.value AS value
    FROM (
        WITH
        sqlstab_cross AS MATERIALIZED (
            SELECT c.i AS i, c.j AS j, c.value AS value
            FROM sqlstab_sums AS c
            WHERE c.shuffled = {{ shuffled }} AND c.half = {{ half }}
        )
        SELECT t.k AS k, t.j AS j, t.value AS value
        FROM (
            {{ sqlstab.polar(dimension) | indent(12) }}
        ) AS t
    ) AS o
    {%- endfor %}{% endfor %}
),
sqlstab_scores AS MATERIALIZED (
    SELECT o.shuffled AS shuffled, sum(o.value * c.value / c.n_rows) / 2 AS cosine
    FROM sqlstab_omegas AS o
    JOIN sqlstab_sums AS c ON c.shuffled = o.shuffled AND c.half = 1 - o.half AND c.i = o.i AND c.j = o.j
    GROUP BY o.shuffled
)
SELECT
    (SELECT count(*) FROM sqlstab_shared) AS n_ids,
    (h.cosine - c.cosine) / nullif(1 - c.cosine, 0) AS agreement
FROM sqlstab_scores AS h
JOIN sqlstab_scores AS c ON h.shuffled = 0 AND c.shuffled = 1
{%- endmacro %}
