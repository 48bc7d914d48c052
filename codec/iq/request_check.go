package iq

import "trunkline/codec"

// valid says whether the fields that Op needs are there and none is above its limit.
func (r *Request) valid() bool {
	form := &opForms[r.Op]
	switch {
	case r.Ref == 0,
		form.needs&fieldGroup != 0 && !validGroup(r.Group),
		form.takes&fieldGroup != 0 && r.Group != 0 && !validGroup(r.Group),
		form.needs&fieldUser != 0 && !validUser(r.User),
		form.takes&fieldUser != 0 && r.User != 0 && !validUser(r.User),
		form.about(fieldDevice) && r.Device > codec.DeviceMax,
		form.about(fieldToken) && r.Token == 0,
		form.needs&fieldSeq != 0 && r.Seq == 0,
		form.needs&fieldUsers != 0 && len(r.Users) == 0,
		form.about(fieldUsers) && !validUsers(r.Users),
		form.about(fieldSubject) && !validText(r.Text, SubjectBytesMax),
		form.about(fieldReason) && !validText(r.Text, ReasonBytesMax),
		form.about(fieldInvite) && len(r.Bytes) != 0 && len(r.Bytes) != InviteBytes,
		form.about(fieldCode) && len(r.Bytes) != InviteBytes,
		form.about(fieldProfile) && !r.Profile.valid(),
		form.about(fieldPrivacy) && !r.Privacy.valid(),
		form.about(fieldDevices) && !(r.Devices.Version > 0 && len(r.Devices.List) > 0 && r.Devices.valid()):
		return false
	}
	return true
}

// validUsers says whether a request can name these: no one twice, at most UsersMax, so that each may be compared with all.
func validUsers(users []uint64) bool {
	if len(users) > UsersMax {
		return false
	}
	rising := true
	for i, user := range users {
		if !validUser(user) {
			return false
		}
		rising = rising && (i == 0 || users[i-1] < user)
	}
	if rising {
		return true
	}
	for i, user := range users {
		for _, other := range users[:i] {
			if user == other {
				return false
			}
		}
	}
	return true
}
