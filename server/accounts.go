package server

import (
	"path/filepath"

	"trunkline/store"
	"trunkline/store/mysql"
)

// The values of AccountsStatus.Kept.
const (
	AccountsEmbedded = "embedded" // in the data directory
	AccountsMemory   = "memory"   // gone with the process
	AccountsMySQL    = "mysql"    // in the databases of Config.Accounts
)

// accountsFolder is where accounts live below the data directory.
const accountsFolder = "accounts"

// openAccounts opens the accounts, and the people that are kept with them.
func (s *Server) openAccounts() error {
	accounts, err := s.findAccounts()
	if err != nil {
		return err
	}
	s.accounts = accounts
	s.people, err = store.PeopleOf(accounts)
	return err
}

func (s *Server) findAccounts() (store.Accounts, error) {
	switch s.accountsKept() {
	case AccountsMemory:
		return store.OpenMemoryAccounts()
	case AccountsEmbedded:
		return store.OpenAccounts(filepath.Join(s.cfg.Data, accountsFolder), s.cfg.Logger)
	}
	places, err := s.cfg.Accounts.parse()
	if err != nil {
		return nil, err
	}
	accounts, err := mysql.Open(places, s.cfg.Logger)
	if err != nil {
		return nil, err // no nil pointer in an interface
	}
	s.cfg.Logger.Info("accounts are kept in databases", "shards", s.cfg.Accounts.String())
	return accounts, nil
}

// accountsKept says where the accounts are.
func (s *Server) accountsKept() string {
	switch {
	case len(s.cfg.Accounts) > 0:
		return AccountsMySQL
	case s.cfg.Data == "":
		return AccountsMemory
	}
	return AccountsEmbedded
}

// closeAccounts closes them behind everybody who uses them.
func (s *Server) closeAccounts() error {
	if s.accounts == nil {
		return nil
	}
	return s.accounts.Close()
}

// copyAccounts puts a copy of embedded accounts into a backup. Those in databases are not the server's to copy.
func (s *Server) copyAccounts(dir string) error {
	if s.accountsKept() == AccountsMySQL {
		return nil
	}
	return store.CheckpointAccounts(s.accounts, filepath.Join(dir, accountsFolder))
}
