{#- The rows of sqlstab_run_quality: one for each side, before the stable tables are touched. -#}
{%- macro quality_rows() -%}
{%- set dialect = sqlstab.dialect() -%}
{%- set share = var("sqlstab_figure_share", 1.0) -%}
{%- if share is not number or share <= 0 or share > 1 -%}
{{ sqlstab.refuse("the var sqlstab_figure_share is " ~ share | tojson ~ "; it must be a share of the rows, above 0 and at most 1.") }}
{%- endif -%}
{%- for side in ["users", "items"] -%}
{%- set raw = sqlstab.settings(side) -%}
{%- set stable = sqlstab.stable_settings(side) -%}
{%- set reference = sqlstab.own("reference_" ~ side) -%}
{%- set of_reference = "t.run_id = " ~ sqlstab.reference_run() -%}
{%- set doubles = dict(stable, type="double") -%}
{%- set written -%}
(
    {{ sqlstab.applied(sqlstab.raw(side), side, sqlstab.this_run(), type="double", share=share) | indent(4) }}
)
{%- endset -%}
{%- set raw_reference -%}
(
    {{ sqlstab.inverted(reference, side, sqlstab.reference_run(), of_reference, type="double", share=share) | indent(4) }}
)
{%- endset -%}
{%- set after = sqlstab.cosines(
    sqlstab.table(written, side, doubles), sqlstab.table(reference, side, stable, of_reference), sqlstab.stable_dimension()
) -%}
{%- set before = sqlstab.cosines(
    sqlstab.table(sqlstab.raw(side), side, raw, share=share),
    sqlstab.table(raw_reference, side, dict(raw, type="double", native=false, filter=none)),
    sqlstab.dimension()
) %}
SELECT
    run.run_id,
    run.reference_run_id,
    {{ sqlstab.filled(dialect.as_text, ["'" ~ side ~ "'"]) }} AS side,
    CAST(rows_of.n_rows AS {{ dialect.bigint }}) AS n_rows,
    CAST(stable.n_rows AS {{ dialect.bigint }}) AS n_compared,
    {%- for kind in ["before", "after"] %}
    {%- for figure in ["mean", "p10", "median"] %}
    {{ sqlstab.filled(dialect.as_double, [("raw" if kind == "before" else "stable") ~ ".after_" ~ figure]) }} AS {{ kind }}_{{ figure }}
    {{- "," if not (loop.last and kind == "after") }}
    {%- endfor %}
    {%- endfor %}
FROM {{ sqlstab.own("run") }} AS run
CROSS JOIN (
    SELECT sum(n_rows) AS n_rows
    FROM {{ sqlstab.own("gram") }}
    WHERE side = '{{ side }}' AND i = 1 AND j = 1
) AS rows_of
CROSS JOIN (
    {{ after | indent(4) }}
) AS stable
CROSS JOIN (
    {{ before | indent(4) }}
) AS raw
{%- if side == "users" %}
UNION ALL
{%- endif %}
{%- endfor %}
{%- endmacro -%}
