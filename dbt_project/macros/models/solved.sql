{#- For `sqlstab dbt solve`: put the matrices of a run into the table sqlstab_solved, in place of what is there of it.
      rows   [side, i, j, value] -#}
{%- macro keep_solved(run_id, rows) -%}
{%- set dialect = sqlstab.dialect() -%}
{%- set schema = var("sqlstab_solved_schema", none) or target.schema -%}
{%- set table = api.Relation.create(database=target.database, schema=schema, identifier="sqlstab_solved", type="table") -%}
{%- do adapter.create_schema(table) -%}
{%- set create -%}
CREATE TABLE IF NOT EXISTS {{ table }} (
    run_id {{ dialect.text }},
    side {{ dialect.text }},
    i {{ dialect.integer }},
    j {{ dialect.integer }},
    value {{ dialect.double }},
    solved_at timestamp
)
{%- endset -%}
{%- set statements = [create, "DELETE FROM " ~ table ~ " WHERE run_id = " ~ sqlstab.text_literal(run_id)] -%}
{%- for batch in rows | batch(2000) -%}
{%- set insert -%}
INSERT INTO {{ table }} VALUES
{%- for row in batch %}
({{ sqlstab.text_literal(run_id) }}, '{{ row[0] }}', {{ row[1] }}, {{ row[2] }}, {{ row[3] }}, CURRENT_TIMESTAMP){{ "," if not loop.last }}
{%- endfor %}
{%- endset -%}
{%- do statements.append(insert) -%}
{%- endfor -%}
{%- if dialect.transactions -%}
{%- set statements = ["BEGIN"] + statements + ["COMMIT"] -%}
{%- endif -%}
{%- for statement in statements -%}
{%- do run_query(statement) -%}
{%- endfor -%}
{%- endmacro -%}
