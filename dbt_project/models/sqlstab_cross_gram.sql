{{ config(pre_hook='{{ sqlstab.before() }}') }}
{{ sqlstab.cross_gram_rows() }}
