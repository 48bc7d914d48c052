CREATE TABLE IF NOT EXISTS profiles (
  user_id BIGINT UNSIGNED NOT NULL PRIMARY KEY,
  name VARBINARY(128) NOT NULL,
  about VARBINARY(512) NOT NULL,
  picture VARBINARY(256) NOT NULL,
  changed_sec BIGINT UNSIGNED NOT NULL
) ENGINE = InnoDB;

-- contacts and blocked: user ids of 8 bytes, big-endian, ascending.
CREATE TABLE IF NOT EXISTS settings (
  user_id BIGINT UNSIGNED NOT NULL PRIMARY KEY,
  version INT UNSIGNED NOT NULL,
  presence TINYINT UNSIGNED NOT NULL,
  last_seen TINYINT UNSIGNED NOT NULL,
  profile TINYINT UNSIGNED NOT NULL,
  contacts BLOB NOT NULL,
  blocked BLOB NOT NULL,
  devices_version INT UNSIGNED NOT NULL,
  devices VARBINARY(32) NOT NULL,
  signature VARBINARY(64) NOT NULL
) ENGINE = InnoDB;
