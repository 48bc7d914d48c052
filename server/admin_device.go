package server

import (
	"errors"
	"net/http"
	"strconv"

	"trunkline/codec"
	"trunkline/store"
)

// The parameters of POST /device/remove.
const (
	RemoveUser   = "user"
	RemoveDevice = "device"
)

// serveDeviceRemove answers POST /device/remove?user=&device=: the device's registration and tickets end, its session is closed, what waits for it
// is dropped. 204 when the accounts have it durably and the user's loop was told; errors are one line of text.
func (s *Server) serveDeviceRemove(w http.ResponseWriter, r *http.Request) {
	if r.Header.Get(AdminHeader) == "" {
		http.Error(w, "set the header "+AdminHeader+": 1", http.StatusForbidden)
		return
	}
	user, errUser := strconv.ParseUint(r.FormValue(RemoveUser), 10, 64)
	device, errDevice := strconv.ParseUint(r.FormValue(RemoveDevice), 10, 8)
	if errUser != nil || user == 0 || user > codec.UserMax {
		http.Error(w, "user must be a number of up to 18 digits, not 0", http.StatusBadRequest)
		return
	}
	if errDevice != nil || device > codec.DeviceMax {
		http.Error(w, "device must be a number from 0 to "+strconv.Itoa(codec.DeviceMax), http.StatusBadRequest)
		return
	}
	err := s.clerk.removeByOperator(user, uint8(device))
	if err != nil {
		s.cfg.Logger.Warn("a device was not removed", "user", user, "device", device, "err", err)
		http.Error(w, err.Error(), removalStatus(err))
		return
	}
	s.cfg.Logger.Info("an operator has removed a device", "user", user, "device", device)
	w.WriteHeader(http.StatusNoContent)
}

func removalStatus(err error) int {
	switch {
	case errors.Is(err, store.ErrNoDevice):
		return http.StatusNotFound
	case errors.Is(err, ErrRegistrarFull), errors.Is(err, ErrRegistrarClosed), errors.Is(err, store.ErrAccountsAway):
		return http.StatusServiceUnavailable
	case errors.Is(err, errLoopFull):
		return http.StatusGatewayTimeout
	case errors.Is(err, store.ErrDiskFull):
		return http.StatusInsufficientStorage
	}
	return http.StatusInternalServerError
}
