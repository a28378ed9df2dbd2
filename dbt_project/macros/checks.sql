{#- Refuse a model that cannot have maps made in a temporary table, or from such relations. -#}
{% macro check_model(spec) -%}
  {%- if config.get('materialized') not in ['incremental', 'table'] -%}
    {{ exceptions.raise_compiler_error("sqlstab.fit_maps: the model of maps is incremental (or a table), not " ~ config.get('materialized') ~ ".") }}
  {%- endif -%}
  {%- if config.get('incremental_strategy') == 'microbatch' -%}
    {{ exceptions.raise_compiler_error("sqlstab.fit_maps: a batch sees its own day only, and no earlier one to align with; leave microbatch out.") }}
  {%- endif -%}
  {%- for side in ['users', 'items'] if spec.relation[side].is_cte -%}
    {{ exceptions.raise_compiler_error("sqlstab.fit_maps: " ~ side ~ " are an ephemeral model; make it a view.") }}
  {%- endfor -%}
{%- endmacro %}

{#- Refuse vectors that no map can be made from. -#}
{% macro check_vectors(spec, at, name) -%}
  {%- for side in ['users', 'items'] -%}
    {%- set found = run_query(sqlstab.problems(
        spec.relation[side], spec.run, spec.id[side], spec.vector, spec.dimension,
        "r." ~ spec.run ~ " = (" ~ at ~ ")", spec.weight if side in spec.anchors else none)).rows -%}
    {%- if found -%}
      {%- set sizes = run_query(
          "SELECT DISTINCT array_length(" ~ sqlstab.doubles('r.' ~ spec.vector) ~ ", 1) AS size FROM "
          ~ sqlstab.rows_of(spec.relation[side]) ~ " AS r WHERE r." ~ spec.run ~ " = (" ~ at ~ ")").columns[0].values() | list -%}
      {%- if sizes | length == 1 and sizes[0] and sizes[0] != spec.dimension -%}
        {{ exceptions.raise_compiler_error(
            "sqlstab.fit_maps: " ~ name ~ " of " ~ spec.relation[side] ~ ": dimension is " ~ spec.dimension
            ~ ", but all vectors have " ~ sizes[0] ~ " components. Should dimension be " ~ sizes[0] ~ "?") }}
      {%- endif -%}
      {{ exceptions.raise_compiler_error(
          "sqlstab.fit_maps: " ~ name ~ " of " ~ spec.relation[side] ~ ": " ~ found[0][0] ~ " rows with " ~ found[0][1]
          ~ ", such as " ~ found[0][2] ~ ". Leave such rows out in a model before this one.") }}
    {%- endif -%}
  {%- endfor -%}
{%- endmacro %}

{#- Refuse maps of one kind beside those of the other: a rotation is the same map of both sides. -#}
{% macro check_kind(spec, so_far) -%}
  {%- set found = run_query(
      "SELECT count(*) AS n, count(CASE WHEN u.value <> i.value THEN 1 END) AS other FROM (" ~ so_far ~ ") AS u JOIN ("
      ~ so_far ~ ") AS i ON i.run_key = u.run_key AND i.i = u.i AND i.j = u.j WHERE u.side = 'users' AND i.side = 'items'"
  ).rows[0] -%}
  {%- set kind = 'balanced' if found[1] > 0 else 'rotation' -%}
  {%- if found[0] > 0 and kind != spec.map -%}
    {{ exceptions.raise_compiler_error(
        "sqlstab.fit_maps: map is " ~ spec.map ~ ", but the maps so far are " ~ kind ~ ": their axes and lengths would not be "
        ~ "comparable. Leave map='" ~ kind ~ "', or make a model of maps beside this one.") }}
  {%- endif -%}
{%- endmacro %}

{#- Refuse a run that sorts before all others and would define a space of its own: one that is new, or made again. -#}
{% macro check_first(spec, at, so_far, known, name) -%}
  {%- set found = run_query(
      "SELECT count(CASE WHEN k.run_key < (" ~ at ~ ") THEN 1 END) AS earlier, count(*) AS others FROM (" ~ so_far
      ~ ") AS k").rows[0] -%}
  {%- set had = run_query("SELECT count(*) AS n FROM (" ~ known ~ ") AS k WHERE k.run_key = (" ~ at ~ ")").rows[0][0] -%}
  {%- if found[0] == 0 and found[1] > 0 and had > 0 -%}
    {{ exceptions.raise_compiler_error(
        "sqlstab.fit_maps: " ~ name ~ " is the first: it defines the axes, and later runs were aligned with it. Made again it "
        ~ "would get others, which theirs are not. Name all later runs in again, too, or make a model of maps beside this "
        ~ "one.") }}
  {%- elif found[0] == 0 and found[1] > 0 -%}
    {{ exceptions.raise_compiler_error(
        "sqlstab.fit_maps: there is no run before " ~ name ~ " to align with, but later runs have maps: it would get axes of "
        ~ "its own, which theirs are not. Leave it out of the raw tables, in a model before this one.") }}
  {%- endif -%}
{%- endmacro %}

{#- Refuse a map that is not whole, or of a run that is not where the one before it was. -#}
{% macro check_map(spec, at, made, so_far, name, least_agreement) -%}
  {%- set e = spec.dimension -%}
  {%- set found = run_query(
      "SELECT count(m.value) AS n FROM " ~ made ~ " AS m WHERE m.run_key = (" ~ at ~ ")").rows[0][0] -%}
  {%- if found != 2 * e * e -%}
    {{ exceptions.raise_compiler_error(
        "sqlstab.fit_maps: " ~ name ~ ": none of the " ~ spec.anchors | join(" and ") ~ " stands in an earlier run whose raw "
        ~ "vectors are still there, so there is nothing to align with. Keep the raw vectors of the last runs.") }}
  {%- endif -%}
  {%- set side = spec.anchors[-1] -%}
  {%- set before = "SELECT max(k.run_key) AS run_key FROM (" ~ so_far ~ ") AS k WHERE k.run_key < (" ~ at ~ ")" -%}
  {%- set maps = "SELECT k.run_key, k.i, k.j, k.value FROM (" ~ so_far ~ ") AS k WHERE k.side = '" ~ side ~ "'" -%}
  {%- set rows = [] -%}
  {%- for runs in [at, before] -%}
    {%- do rows.append(sqlstab.multiplied(sqlstab.raw_rows(spec, side, "(" ~ runs ~ ")", '1E0'), maps, ['id', 'w'], 'x', e)) -%}
  {%- endfor -%}
  {%- set figures = run_query(sqlstab.agreement(rows[0], rows[1], e)).rows -%}
  {#- Of fewer ids than four for each dimension the figure says little. -#}
  {%- if figures and figures[0][0] >= 4 * e and figures[0][1] is not none and figures[0][1] < least_agreement -%}
    {{ exceptions.raise_compiler_error(
        "sqlstab.fit_maps: " ~ name ~ " is unrelated to the run before it: of " ~ side ~ " that took no part in the fit, "
        ~ "the agreement above chance is " ~ figures[0][1] | round(3) ~ ", and must be " ~ least_agreement
        ~ ". Do the same ids mean the same? least_agreement=-1 makes the map all the same.") }}
  {%- endif -%}
{%- endmacro %}

{#- What is wrong with the ids and vectors of a table: rows (n_rows, problem, example); none where all is well.
      condition  which rows `r` to look at -#}
{% macro problems(relation, run, id, vector, dimension, condition='1 = 1', weight=none) -%}
SELECT
    count(*) AS n_rows,
    p.problem AS problem,
    'id ' || coalesce(min(CAST(p.id AS varchar)), 'NULL') AS example
FROM (
    SELECT
        r.{{ id }} AS id,
        CASE
            WHEN r.{{ id }} IS NULL THEN 'no id'
            WHEN r.{{ run }} IS NULL THEN 'no run'
            WHEN count(*) OVER (PARTITION BY r.{{ run }}, r.{{ id }}) > 1 THEN 'an id that stands twice'
            WHEN NOT {{ sqlstab.is_vector(sqlstab.doubles('r.' ~ vector), dimension) }} THEN 'not {{ dimension }} finite components'
            {%- if weight %}
            WHEN NOT coalesce(CAST(r.{{ weight }} AS double precision) BETWEEN 0 AND 1E100, false) THEN 'a weight that is NULL, negative or not finite'
            {%- endif %}
        END AS problem
    FROM {{ sqlstab.rows_of(relation) }} AS r
    WHERE {{ condition }}
) AS p
WHERE p.problem IS NOT NULL
GROUP BY p.problem
{%- endmacro %}
