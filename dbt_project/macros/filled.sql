{#- A pattern such as `CAST({0} AS DOUBLE)` with these values in its places.

    It is taken apart before anything is put in, so a value may have braces in it. -#}
{%- macro filled(pattern, values) -%}
{%- for piece in pattern.split("{") -%}
{%- if loop.first -%}
{{ piece }}
{%- else -%}
{{ values[piece[0] | int] }}{{ piece[2:] }}
{%- endif -%}
{%- endfor -%}
{%- endmacro -%}
