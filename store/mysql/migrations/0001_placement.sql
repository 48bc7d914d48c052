-- Which users this shard keeps. There is one row; done is set when all shards had theirs.
CREATE TABLE IF NOT EXISTS placement (
  one TINYINT UNSIGNED NOT NULL PRIMARY KEY,
  seed BINARY(16) NOT NULL,
  shards INT UNSIGNED NOT NULL,
  position INT UNSIGNED NOT NULL,
  done TINYINT UNSIGNED NOT NULL
) ENGINE = InnoDB;
