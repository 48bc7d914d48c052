CREATE TABLE IF NOT EXISTS users (
  user_id BIGINT UNSIGNED NOT NULL PRIMARY KEY,
  devices TINYINT UNSIGNED NOT NULL,
  created_sec BIGINT UNSIGNED NOT NULL
) ENGINE = InnoDB;

CREATE TABLE IF NOT EXISTS devices (
  user_id BIGINT UNSIGNED NOT NULL,
  device TINYINT UNSIGNED NOT NULL,
  linked_by TINYINT UNSIGNED NOT NULL,
  gen SMALLINT UNSIGNED NOT NULL,
  static_key BINARY(32) NOT NULL,
  sign_key BINARY(32) NOT NULL,
  token BIGINT UNSIGNED NOT NULL,
  registered_sec BIGINT UNSIGNED NOT NULL,
  PRIMARY KEY (user_id, device)
) ENGINE = InnoDB;

CREATE TABLE IF NOT EXISTS token_uses (
  user_id BIGINT UNSIGNED NOT NULL,
  id BINARY(8) NOT NULL,
  device TINYINT UNSIGNED NOT NULL,
  static_key BINARY(32) NOT NULL,
  expires_sec BIGINT UNSIGNED NOT NULL,
  PRIMARY KEY (user_id, id),
  KEY expires (expires_sec)
) ENGINE = InnoDB;

CREATE TABLE IF NOT EXISTS revocations (
  user_id BIGINT UNSIGNED NOT NULL,
  device TINYINT UNSIGNED NOT NULL,
  gen SMALLINT UNSIGNED NOT NULL,
  until_sec BIGINT UNSIGNED NOT NULL,
  PRIMARY KEY (user_id, device),
  KEY until_sec (until_sec)
) ENGINE = InnoDB;

-- Tickets issued before this second are refused. There is one row at most.
CREATE TABLE IF NOT EXISTS invalid_before (
  one TINYINT UNSIGNED NOT NULL PRIMARY KEY,
  sec BIGINT UNSIGNED NOT NULL
) ENGINE = InnoDB;
