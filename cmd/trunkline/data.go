package main

import (
	"fmt"
	"path/filepath"

	"trunkline/client"
	"trunkline/server"
)

// dataOff is the value of --data that means: keep nothing.
const dataOff = "off"

// dataFolder is where a server of this user keeps its data when nobody says where.
func dataFolder() (string, error) {
	folder, err := client.StateFolder()
	if err != nil {
		return "", err
	}
	return filepath.Join(folder, "server"), nil
}

// settleData says where a server keeps its data: where --data points, in a folder of the user's state when nobody says, and
// nowhere for "off".
func settleData(cfg *server.Config) error {
	switch cfg.Data {
	case "":
		folder, err := dataFolder()
		if err != nil {
			return &server.ConfigError{Key: "data", Reason: fmt.Sprintf("%s; name a directory, or %q to keep nothing", err, dataOff)}
		}
		cfg.Data = folder
	case dataOff:
		cfg.Data = ""
	}
	return nil
}

// checkKeysLast wants keys that outlive the server where tokens are asked for: without, there are none that `trunkline token` could sign with.
func checkKeysLast(cfg *server.Config) error {
	if cfg.Registration == server.RegistrationToken && cfg.Data == "" && cfg.Keys == "" {
		return &server.ConfigError{Key: "registration", Reason: fmt.Sprintf("%s needs keys that outlive the server: give --data DIR or --keys DIR, or --registration=%s",
			server.RegistrationToken, server.RegistrationOpen)}
	}
	return nil
}
