CREATE TABLE IF NOT EXISTS `ml`.`runs` (
    event_id STRING,
    event STRING,
    run_id STRING,
    part INT64,
    parts INT64,
    body STRING
);
INSERT INTO `ml`.`runs` VALUES
('1.0', 'drop', '1', 1, 1, '{"a": "b\\u00fc"}')