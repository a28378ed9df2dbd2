CREATE TABLE IF NOT EXISTS `ml`.`runs` (
    event_id string,
    event string,
    run_id string,
    part int,
    parts int,
    body string
);
INSERT INTO `ml`.`runs` VALUES
('1.0', 'drop', '1', 1, 1, '{"a": "b\\u00fc"}')