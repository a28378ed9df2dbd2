{#- A model has the ids of another one, no more and no fewer. A stable model has its id where the raw one does. -#}
{%- test sqlstab_rows_match(model, compare_model, id=none, compare_id=none) -%}
{%- set as_text = sqlstab.dialect().as_text -%}
{%- set chosen = namespace(id=id or "id") -%}
{%- for side in ["users", "items"] if not id and var("sqlstab_stable_" ~ side, none) -%}
{%- set stable = sqlstab.stable_relation(side) -%}
{%- if stable is not none and (stable.schema ~ "." ~ stable.identifier) | lower == (model.schema ~ "." ~ model.identifier) | lower -%}
{%- set chosen.id = sqlstab.settings(side)["id"] -%}
{%- endif -%}
{%- endfor -%}
SELECT *
FROM (
    {{ sqlstab.problem(
        "ids of " ~ compare_model.identifier ~ " are missing in " ~ model.identifier, "count(*)",
        "Build both again; a join or a filter must not take rows away.", "min(" ~ sqlstab.filled(as_text, ["compared.id"]) ~ ")"
    ) | indent(4) }}
    FROM (SELECT DISTINCT {{ compare_id or chosen.id }} AS id FROM {{ compare_model }}) AS compared
    LEFT JOIN (SELECT DISTINCT {{ chosen.id }} AS id FROM {{ model }}) AS own ON own.id = compared.id
    WHERE own.id IS NULL
    UNION ALL
    {{ sqlstab.problem(
        "ids of " ~ model.identifier ~ " are not in " ~ compare_model.identifier, "count(*)",
        "Build both again.", "min(" ~ sqlstab.filled(as_text, ["own.id"]) ~ ")"
    ) | indent(4) }}
    FROM (SELECT DISTINCT {{ chosen.id }} AS id FROM {{ model }}) AS own
    LEFT JOIN (SELECT DISTINCT {{ compare_id or chosen.id }} AS id FROM {{ compare_model }}) AS compared ON compared.id = own.id
    WHERE compared.id IS NULL
) AS problems
WHERE n > 0
{%- endtest -%}
