{#- A model has the ids of another one, no more and no fewer. -#}
{%- test sqlstab_rows_match(model, compare_model, id="id", compare_id=none) -%}
{%- set as_text = sqlstab.dialect().as_text -%}
SELECT *
FROM (
    {{ sqlstab.problem(
        "ids of " ~ compare_model.identifier ~ " are missing in " ~ model.identifier, "count(*)",
        "Build both again; a join or a filter must not take rows away.", "min(" ~ sqlstab.filled(as_text, ["compared.id"]) ~ ")"
    ) | indent(4) }}
    FROM (SELECT DISTINCT {{ compare_id or id }} AS id FROM {{ compare_model }}) AS compared
    LEFT JOIN (SELECT DISTINCT {{ id }} AS id FROM {{ model }}) AS own ON own.id = compared.id
    WHERE own.id IS NULL
    UNION ALL
    {{ sqlstab.problem(
        "ids of " ~ model.identifier ~ " are not in " ~ compare_model.identifier, "count(*)",
        "Build both again.", "min(" ~ sqlstab.filled(as_text, ["own.id"]) ~ ")"
    ) | indent(4) }}
    FROM (SELECT DISTINCT {{ id }} AS id FROM {{ model }}) AS own
    LEFT JOIN (SELECT DISTINCT {{ compare_id or id }} AS id FROM {{ compare_model }}) AS compared ON compared.id = own.id
    WHERE compared.id IS NULL
) AS problems
WHERE n > 0
{%- endtest -%}
