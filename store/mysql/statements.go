package mysql

// statement is one of the statements that are prepared on every connection.
type statement int

const (
	selectUser statement = iota
	selectDevice
	selectDevices
	selectTokenUse
	selectRevocations
	selectInvalidBefore
	selectProfile
	selectSettings
	lockUser
	ownUser
	setUserDevices
	setDevice
	lockTokenUse
	insertTokenUse // fails when somebody was faster
	setTokenUse
	lockRevocation
	setRevocation
	deleteRevocations
	setInvalidBefore
	setProfile
	lockSettings
	insertSettings
	updateSettings
	deleteUser
	deleteUserDevices
	deleteUserTokens
	deleteUserProfile
	deleteUserSettings
	purgeTokens
	purgeRevocations
	statementCount
)

const settingsColumns = "version, presence, last_seen, profile, contacts, blocked, devices_version, devices, signature"

// statementTexts are the statements. Both MySQL 8 and MariaDB 10 take them.
var statementTexts = [statementCount]string{
	selectUser:          "SELECT devices, created_sec FROM users WHERE user_id = ?",
	selectDevice:        "SELECT device, linked_by, gen, static_key, sign_key, token, registered_sec FROM devices WHERE user_id = ? AND device = ?",
	selectDevices:       "SELECT device, linked_by, gen, static_key, sign_key, token, registered_sec FROM devices WHERE user_id = ? ORDER BY device",
	selectTokenUse:      "SELECT device, static_key, expires_sec FROM token_uses WHERE user_id = ? AND id = ?",
	selectRevocations:   "SELECT user_id, device, gen, until_sec FROM revocations ORDER BY user_id, device",
	selectInvalidBefore: "SELECT COALESCE(MAX(sec), 0) FROM invalid_before",
	selectProfile:       "SELECT name, about, picture, changed_sec FROM profiles WHERE user_id = ?",
	selectSettings:      "SELECT " + settingsColumns + " FROM settings WHERE user_id = ?",
	lockUser:            "SELECT devices FROM users WHERE user_id = ? FOR UPDATE",
	ownUser:             "INSERT INTO users (user_id, devices, created_sec) VALUES (?, 0, ?) ON DUPLICATE KEY UPDATE user_id = user_id",
	setUserDevices:      "UPDATE users SET devices = ? WHERE user_id = ?",
	setDevice:           "REPLACE INTO devices (user_id, device, linked_by, gen, static_key, sign_key, token, registered_sec) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
	lockTokenUse:        "SELECT device, static_key, expires_sec FROM token_uses WHERE user_id = ? AND id = ? FOR UPDATE",
	insertTokenUse:      "INSERT INTO token_uses (user_id, id, device, static_key, expires_sec) VALUES (?, ?, ?, ?, ?)",
	setTokenUse:         "REPLACE INTO token_uses (user_id, id, device, static_key, expires_sec) VALUES (?, ?, ?, ?, ?)",
	lockRevocation:      "SELECT 1 FROM revocations WHERE user_id = ? AND device = ? FOR UPDATE",
	setRevocation:       "REPLACE INTO revocations (user_id, device, gen, until_sec) VALUES (?, ?, ?, ?)",
	deleteRevocations:   "DELETE FROM revocations",
	setInvalidBefore:    "INSERT INTO invalid_before (one, sec) VALUES (1, ?) ON DUPLICATE KEY UPDATE sec = GREATEST(sec, VALUES(sec))",
	setProfile:          "REPLACE INTO profiles (user_id, name, about, picture, changed_sec) VALUES (?, ?, ?, ?, ?)",
	lockSettings:        "SELECT " + settingsColumns + " FROM settings WHERE user_id = ? FOR UPDATE",
	insertSettings:      "INSERT INTO settings (" + settingsColumns + ", user_id) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
	updateSettings: "UPDATE settings SET version = ?, presence = ?, last_seen = ?, profile = ?, contacts = ?, blocked = ?, devices_version = ?, " +
		"devices = ?, signature = ? WHERE user_id = ?",
	deleteUser:         "DELETE FROM users WHERE user_id = ?",
	deleteUserDevices:  "DELETE FROM devices WHERE user_id = ?",
	deleteUserTokens:   "DELETE FROM token_uses WHERE user_id = ?",
	deleteUserProfile:  "DELETE FROM profiles WHERE user_id = ?",
	deleteUserSettings: "DELETE FROM settings WHERE user_id = ?",
	purgeTokens:        "DELETE FROM token_uses WHERE expires_sec <= ? LIMIT ?",
	purgeRevocations:   "DELETE FROM revocations WHERE until_sec <= ? LIMIT ?",
}
