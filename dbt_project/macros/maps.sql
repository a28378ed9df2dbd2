{#- The map of each run in the raw tables that has none yet: rows (run, side, i, j, value, feature_of).

    A model of this is incremental, with the run as its unique key. The maps are the only state: a stable vector is a
    raw one times the map of its run, see `stable`. Runs are taken oldest first; each is aligned with the runs before
    its key, that is with their raw vectors times their maps.

    Where dbt only compiles, or tests with fixtures, this is the query of the oldest run that has no map. -#}
{% macro fit_maps(
    users, items, run, user_id, item_id, vector, dimension, align='recent', memory=0.8, anchor='items',
    unit_rows=true, weight=none, least_agreement=0.1, again=[], map='balanced'
) -%}
  {%- if not execute -%}
    {{ return('') }}
  {%- endif -%}
  {#- Refuses where there is none. -#}
  {%- do sqlstab.solve(dimension) -%}
  {%- set spec = {
      'run': run, 'vector': vector, 'dimension': dimension, 'align': align, 'memory': memory, 'unit_rows': unit_rows,
      'anchors': {'users': ['users'], 'items': ['items'], 'both': ['users', 'items']}.get(anchor), 'weight': weight, 'map': map,
      'relation': {'users': users, 'items': items}, 'id': {'users': user_id, 'items': item_id}
  } -%}
  {%- if align not in ['recent', 'previous', 'first'] or not spec.anchors or map not in ['balanced', 'rotation'] -%}
    {{ exceptions.raise_compiler_error(
        "sqlstab.fit_maps: align is recent, previous or first, anchor items, users or both, and map balanced or rotation; not "
        ~ align ~ ", " ~ anchor ~ " and " ~ map ~ ".") }}
  {%- endif -%}
  {%- if model.resource_type == 'model' -%}
    {%- do sqlstab.check_model(spec) -%}
  {%- endif -%}
  {%- set known = sqlstab.stored_maps(this, run) if is_incremental() else sqlstab.no_maps(spec) -%}
  {%- if flags.WHICH in ['run', 'build', 'retry'] and model.resource_type == 'model' -%}
    {#- One run, too: YAML has an unquoted day as a date. -#}
    {%- set again = [again] if again is string or again is not iterable else again -%}
    {{ return(sqlstab.made_maps(spec, known, again, least_agreement)) }}
  {%- endif -%}
  {%- set oldest -%}
SELECT min(t.run_key) AS run_key
FROM (
    {{ sqlstab.runs_to_do(spec, known, []) | indent(4) }}
) AS t
  {%- endset -%}
  {{ return(sqlstab.named_maps(sqlstab.map_of_run(spec, oldest, known), run)) }}
{%- endmacro %}

{#- Make the maps of all runs that have none, one by one, in a temporary table: the query of that. -#}
{% macro made_maps(spec, known, again, least_agreement) -%}
  {%- set token = local_md5(this | string)[:12] -%}
  {%- set runs, made = 'sqlstab_runs_' ~ token, 'sqlstab_maps_' ~ token -%}
  {%- do sqlstab.begin_maps() -%}
  {%- do sqlstab.keep(runs, sqlstab.runs_to_do(spec, known, again)) -%}
  {%- do sqlstab.keep(made, sqlstab.no_maps(spec)) -%}
  {%- set so_far -%}
SELECT k.*
FROM (
    {{ known | indent(4) }}
) AS k
WHERE k.run_key NOT IN (SELECT t.run_key FROM {{ runs }} AS t)
UNION ALL
SELECT d.*
FROM {{ made }} AS d
  {%- endset -%}
  {%- do sqlstab.check_kind(spec, so_far) -%}
  {#- With a word before it, or a key would be taken for a number. -#}
  {%- set found = run_query(
      "SELECT t.place, 'run ' || CAST(t.run_key AS varchar) AS name FROM " ~ runs ~ " AS t ORDER BY t.place") -%}
  {%- set names = found.columns[1].values() | list -%}
  {%- for key in again if 'run ' ~ key not in names -%}
    {{ exceptions.raise_compiler_error("sqlstab.fit_maps: again names " ~ key ~ ", which is not in both raw tables.") }}
  {%- endfor -%}
  {%- for name in names -%}
    {%- set at = "SELECT t.run_key FROM " ~ runs ~ " AS t WHERE t.place = " ~ loop.index -%}
    {%- do sqlstab.check_vectors(spec, at, name) -%}
    {%- do sqlstab.check_first(spec, at, so_far, known, name) -%}
    {%- do run_query("INSERT INTO " ~ made ~ "\n" ~ sqlstab.map_of_run(spec, at, so_far)) -%}
    {%- do sqlstab.check_map(spec, at, made, so_far, name, least_agreement) -%}
  {%- endfor -%}
  {{ return(sqlstab.named_maps("SELECT * FROM " ~ made, spec.run)) }}
{%- endmacro %}

{#- Keep a query's rows in a temporary table. -#}
{% macro keep(name, query) -%}
  {%- do run_query("DROP TABLE IF EXISTS " ~ name) -%}
  {%- do run_query("CREATE TEMPORARY TABLE " ~ name ~ " AS\n" ~ query) -%}
{%- endmacro %}

{% macro named_maps(query, run) -%}
SELECT
    m.run_key AS {{ run }},
    m.side AS side,
    m.i AS i,
    m.j AS j,
    m.value AS value,
    CAST(NULL AS varchar) AS feature_of
FROM (
    {{ query | indent(4) }}
) AS m
{%- endmacro %}

{#- Rows (run_key, side, i, j, value) of maps that are stored. -#}
{% macro stored_maps(maps, run, side=none) -%}
SELECT
    s.{{ run }} AS run_key,
    s.side AS side,
    s.i AS i,
    s.j AS j,
    s.value AS value
FROM {{ sqlstab.rows_of(maps) }} AS s
WHERE s.feature_of IS NULL{{ " AND s.side = '" ~ side ~ "'" if side }}
{%- endmacro %}

{#- None of these rows, with their types. -#}
{% macro no_maps(spec) -%}
SELECT
    r.{{ spec.run }} AS run_key,
    CAST('' AS varchar) AS side,
    CAST(0 AS integer) AS i,
    CAST(0 AS integer) AS j,
    CAST(0 AS double precision) AS value
FROM {{ sqlstab.rows_of(spec.relation['items']) }} AS r
WHERE 1 = 0
{%- endmacro %}

{#- Rows (run_key, place): the runs that both raw tables have and that lack a map, and those to do again. -#}
{% macro runs_to_do(spec, known, again) -%}
SELECT
    r.run_key AS run_key,
    row_number() OVER (ORDER BY r.run_key) AS place
FROM (
    SELECT u.{{ spec.run }} AS run_key FROM {{ sqlstab.rows_of(spec.relation['users']) }} AS u
    INTERSECT
    SELECT i.{{ spec.run }} AS run_key FROM {{ sqlstab.rows_of(spec.relation['items']) }} AS i
) AS r
WHERE
    r.run_key IS NOT NULL
    AND (
        r.run_key NOT IN (
            SELECT k.run_key
            FROM (
                {{ known | indent(16) }}
            ) AS k
        )
        {%- for key in again %}
        OR CAST(r.run_key AS varchar) = '{{ key | string | replace("'", "''") }}'
        {%- endfor %}
    )
{%- endmacro %}

{#- The method for one run: rows (run_key, side, i, j, value).

    Zielnicki & Hsiao, RecSys 2025, with users W and items T. M_T and M_W make the Gram matrices of T M_T and W M_W
    equal and keep all scores; the orthogonal Omega brings them closest to the earlier runs; the maps are M_T Omega
    and M_W Omega. With map='rotation' M_T and M_W are the identity, and Omega is the map of both.
      at       a query of the run's key
      so_far   a query of the maps of other runs (run_key, side, i, j, value) -#}
{% macro map_of_run(spec, at, so_far) -%}
{%- set e = spec.dimension -%}
WITH
sqlstab_run AS MATERIALIZED (
    {{ at | indent(4) }}
),
sqlstab_known AS MATERIALIZED (
    {{ so_far | indent(4) }}
),
{%- if spec.map == 'rotation' %}
-- 1. to 3. One orthogonal map of all vectors keeps their scores: M_T and M_W are the identity.
sqlstab_balanced AS MATERIALIZED (
    SELECT
        r.run_key AS run_key,
        s.side AS side,
        a.k + 1 AS i,
        b.k + 1 AS j,
        CAST(CASE WHEN a.k = b.k THEN 1 ELSE 0 END AS double precision) AS value
    FROM sqlstab_run AS r
    CROSS JOIN (SELECT 'users' AS side UNION ALL SELECT 'items' AS side) AS s
    CROSS JOIN {{ sqlstab.numbers(e) }} AS a
    CROSS JOIN {{ sqlstab.numbers(e) }} AS b
    WHERE r.run_key IS NOT NULL
),
{%- else %}
-- 1. Gram matrices, W'W and T'T.
sqlstab_grams AS MATERIALIZED (
    {%- for side in ['users', 'items'] %}
    {{ "UNION ALL" if not loop.first }}
    SELECT '{{ side }}' AS side, g.i AS i, g.j AS j, g.value AS value, g.n_rows AS n_rows
    FROM (
        {{ sqlstab.sums(sqlstab.components(sqlstab.raw_rows(spec, side, 'sqlstab_run'), e, []), e, 'x', '', true) | indent(8) }}
    ) AS g
    {%- endfor %}
),
-- 2., 3. M_T and M_W from their Cholesky factors and one small singular value decomposition.
sqlstab_solution AS MATERIALIZED (
    {{ sqlstab.solve(e) | indent(4) }}
),
sqlstab_balanced AS MATERIALIZED (
    SELECT r.run_key AS run_key, s.name AS side, s.i AS i, s.j AS j, s.value AS value
    FROM sqlstab_solution AS s
    CROSS JOIN sqlstab_run AS r
    WHERE s.name IN ('users', 'items')
),
{%- endif %}
-- The earlier runs that count, and how much.
sqlstab_earlier AS MATERIALIZED (
    {{ sqlstab.earlier_runs(spec) | indent(4) }}
),
-- 4. C = sum of x' y over the ids: x is a balanced vector of this run, y the sum of the same id's stable vectors in
-- earlier runs{{ ", all of length one" if spec.unit_rows }}. Its polar factor is Omega.
sqlstab_pairs AS MATERIALIZED (
    {%- for side in spec.anchors %}
    {{ "UNION ALL" if not loop.first }}
    {{ sqlstab.pairs_with_earlier(spec, side) | indent(4) }}
    {%- endfor %}
),
sqlstab_cross AS MATERIALIZED (
    {{ sqlstab.sums("SELECT * FROM sqlstab_pairs", e, 'y', 'p.w * ', false) | indent(4) }}
),
sqlstab_polar AS MATERIALIZED (
    {{ sqlstab.polar(e) | indent(4) }}
),
-- Of each direction that the shared ids determine it has a row of length one, of others nothing: scores would change.
sqlstab_determined AS MATERIALIZED (
    SELECT
        {{ e if spec.map == 'rotation' else "(SELECT s.value FROM sqlstab_solution AS s WHERE s.name = 'rank')" }} AS rank,
        (SELECT sum(p.value * p.value) FROM sqlstab_polar AS p) AS determined
),
sqlstab_omega AS MATERIALIZED (
    SELECT
        p.k AS k,
        p.j AS j,
        CASE
            WHEN abs(d.determined - d.rank) <= 1E-9 * d.rank THEN p.value
            ELSE {{ sqlstab.failed("'sqlstab.fit_maps: the ids that are shared with earlier runs determine ' || CAST(CAST(floor(d.determined + 1E-3) AS integer) AS varchar) || ' of ' || CAST(CAST(d.rank AS integer) AS varchar) || ' directions; sqlstab run places the others'") }}
        END AS value
    FROM sqlstab_polar AS p
    CROSS JOIN sqlstab_determined AS d
)
-- 5. M_T Omega and M_W Omega; the first run defines the space.
SELECT
    m.run_key,
    m.side,
    CAST(m.i AS integer) AS i,
    CAST(o.j AS integer) AS j,
    sum(m.value * o.value) AS value
FROM sqlstab_balanced AS m
JOIN sqlstab_omega AS o ON o.k = m.j
GROUP BY m.run_key, m.side, m.i, o.j
UNION ALL
SELECT m.run_key, m.side, CAST(m.i AS integer), CAST(m.j AS integer), m.value
FROM sqlstab_balanced AS m
WHERE NOT EXISTS (SELECT 1 FROM sqlstab_earlier AS r)
{%- endmacro %}

{#- Rows (run_key, weight): the earlier runs to align with. -#}
{% macro earlier_runs(spec) -%}
SELECT
    e.run_key AS run_key,
    {{ "power(" ~ spec.memory ~ ", e.age)" if spec.align == 'recent' else "1E0" }} AS weight
FROM (
    SELECT
        k.run_key AS run_key,
        row_number() OVER (ORDER BY k.run_key {{ "ASC" if spec.align == 'first' else "DESC" }}) - 1 AS age
    FROM (SELECT DISTINCT d.run_key FROM sqlstab_known AS d) AS k
    WHERE k.run_key < (SELECT n.run_key FROM sqlstab_run AS n)
) AS e
WHERE {{ "power(" ~ spec.memory ~ ", e.age) >= 0.05" if spec.align == 'recent' else "e.age = 0" }}
{%- endmacro %}

{#- Rows (id, x1, ..., y1, ..., w) of one side. -#}
{% macro pairs_with_earlier(spec, side) -%}
{%- set e = spec.dimension -%}
{%- set maps = "SELECT m.run_key, m.i, m.j, m.value FROM sqlstab_balanced AS m WHERE m.side = '" ~ side ~ "'" -%}
{%- set earlier_maps = "SELECT m.run_key, m.i, m.j, m.value FROM sqlstab_known AS m WHERE m.side = '" ~ side ~ "'" -%}
{%- set weight = "CAST(r." ~ spec.weight ~ " AS double precision)" if spec.weight else "1E0" -%}
{%- set rows = sqlstab.raw_rows(spec, side, 'sqlstab_run', weight) -%}
{%- if spec.map != 'rotation' -%}
{%- set rows = sqlstab.multiplied(rows, maps, ['id', 'w'], 'x', e) -%}
{%- endif -%}
{%- set earlier_rows = sqlstab.multiplied(
    sqlstab.raw_rows(spec, side, 'sqlstab_earlier', 'n.weight'), earlier_maps, ['id', 'w'], 'x', e) -%}
SELECT
    run.*
    {%- for k in range(1, e + 1) %},
    earlier.y{{ k }}
    {%- endfor %}
FROM (
    {{ sqlstab.components(sqlstab.unit(rows) if spec.unit_rows else rows, e, ['id', 'w']) | indent(4) }}
) AS run
JOIN (
    SELECT
        s.id AS id
        {%- for k in range(1, e + 1) %},
        sum(s.w * s.x{{ k }}) AS y{{ k }}
        {%- endfor %}
    FROM (
        {{ sqlstab.components(sqlstab.unit(earlier_rows) if spec.unit_rows else earlier_rows, e, ['id', 'w']) | indent(8) }}
    ) AS s
    GROUP BY s.id
) AS earlier ON earlier.id = run.id
{%- endmacro %}

{#- Rows (run_key, id, x, w) of the raw vectors of the runs in a relation `n`. -#}
{% macro raw_rows(spec, side, runs, weight=none) -%}
SELECT
    r.{{ spec.run }} AS run_key,
    r.{{ spec.id[side] }} AS id,
    {{ sqlstab.doubles('r.' ~ spec.vector) }} AS x
    {%- if weight %},
    {{ weight }} AS w
    {%- endif %}
FROM {{ sqlstab.rows_of(spec.relation[side]) }} AS r
JOIN {{ runs }} AS n ON n.run_key = r.{{ spec.run }}
{%- endmacro %}
