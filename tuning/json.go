package tuning

import "encoding/json"

// Schema is the version of everything that this package writes as JSON. Within a version keys are added, never renamed or removed.
const Schema = 1

type machineForm struct {
	OS          OS      `json:"os"`
	Release     Release `json:"release"`
	Arch        string  `json:"arch"`
	Cores       int     `json:"cores"`
	MemoryBytes int64   `json:"memory_bytes"`
	PageBytes   int64   `json:"page_bytes"`
}

// MarshalJSON has the keys os, release, arch, cores, memory_bytes, page_bytes.
func (m Machine) MarshalJSON() ([]byte, error) { return json.Marshal(machineForm(m)) }

// UnmarshalJSON takes what MarshalJSON gives.
func (m *Machine) UnmarshalJSON(text []byte) error { return json.Unmarshal(text, (*machineForm)(m)) }

type loadForm struct {
	Connections        int64 `json:"connections"`
	Loops              int   `json:"loops"`
	SendBufferBytes    int64 `json:"send_buffer_bytes"`
	ReceiveBufferBytes int64 `json:"receive_buffer_bytes"`
	AcceptPerSecond    int64 `json:"accept_per_second"`
	StalledPerMille    int64 `json:"stalled_per_mille"`
	Outbound           int64 `json:"outbound"`
	OutboundAddresses  int   `json:"outbound_addresses"`
	MemoryPerMille     int64 `json:"memory_per_mille"`
}

// MarshalJSON has the keys connections, loops, send_buffer_bytes, receive_buffer_bytes, accept_per_second, stalled_per_mille, outbound,
// outbound_addresses, memory_per_mille.
func (l Load) MarshalJSON() ([]byte, error) { return json.Marshal(loadForm(l)) }

// UnmarshalJSON takes what MarshalJSON gives.
func (l *Load) UnmarshalJSON(text []byte) error { return json.Unmarshal(text, (*loadForm)(l)) }

type rowForm struct {
	Name     string  `json:"name"`
	Kind     Kind    `json:"kind"`
	Unit     string  `json:"unit"`
	Required bool    `json:"required"`
	Have     Value   `json:"have"`
	Need     Value   `json:"need"`
	Set      Value   `json:"set"`
	Verdict  Verdict `json:"verdict"`
	Reason   string  `json:"reason"`
	Manual   string  `json:"manual"`
}

// MarshalJSON has the keys name, kind, unit, required, have, need, set, verdict, reason, manual.
func (r Row) MarshalJSON() ([]byte, error) {
	l := r.Limit
	return json.Marshal(rowForm{l.Name, l.Kind, l.Unit, l.Required, r.Have, r.Need, r.Set, r.Verdict, r.Reason, l.Manual})
}

type reportForm struct {
	Schema  int     `json:"schema"`
	Verdict Verdict `json:"verdict"`
	Machine Machine `json:"machine"`
	Load    Load    `json:"load"`
	Rows    []Row   `json:"limits"`
}

// MarshalJSON has the keys schema, verdict, machine, load, limits.
func (r Report) MarshalJSON() ([]byte, error) {
	return json.Marshal(reportForm{Schema, r.Verdict, r.Machine, r.Load, list(r.Rows)})
}

type partForm struct {
	Name   string `json:"name"`
	Each   int64  `json:"bytes_per_connection"`
	Fixed  int64  `json:"fixed_bytes"`
	Bytes  int64  `json:"bytes"`
	Source string `json:"source"`
}

// MarshalJSON has the keys name, bytes_per_connection, fixed_bytes, bytes, source.
func (p Part) MarshalJSON() ([]byte, error) { return json.Marshal(partForm(p)) }

type stopForm struct {
	Name        string `json:"name"`
	Connections int64  `json:"connections"`
	Have        Value  `json:"have"`
	Reason      string `json:"reason"`
}

// MarshalJSON has the keys name, connections, have, reason.
func (s Stop) MarshalJSON() ([]byte, error) { return json.Marshal(stopForm(s)) }

type modelForm struct {
	Bytes int64  `json:"bytes"`
	Parts []Part `json:"parts"`
}

// MarshalJSON has the keys bytes, parts.
func (m Model) MarshalJSON() ([]byte, error) { return json.Marshal(modelForm{m.Bytes, list(m.Parts)}) }

type capacityForm struct {
	Schema      int      `json:"schema"`
	Machine     Machine  `json:"machine"`
	Load        Load     `json:"load"`
	Connections int64    `json:"connections"`
	StoppedBy   string   `json:"stopped_by"`
	Reachable   int64    `json:"reachable"`
	Stops       []Stop   `json:"stops"`
	Memory      Model    `json:"memory"`
	BudgetBytes int64    `json:"budget_bytes"`
	Unread      []string `json:"unread"`
}

// MarshalJSON has the keys schema, machine, load, connections, stopped_by, reachable, stops, memory, budget_bytes, unread.
func (c Capacity) MarshalJSON() ([]byte, error) {
	return json.Marshal(capacityForm{
		Schema, c.Machine, c.Load, c.Connections, c.StoppedBy, c.Reachable, list(c.Stops), c.Model, c.BudgetBytes, list(c.Unread),
	})
}

type counterForm struct {
	Name      string `json:"name"`
	Unit      string `json:"unit"`
	Used      *Value `json:"used,omitempty"`
	Limit     *Value `json:"limit,omitempty"`
	Refused   *Value `json:"refused,omitempty"`
	ItemBytes *Value `json:"item_bytes,omitempty"`
}

// MarshalJSON has the keys name, unit, used, limit, refused, item_bytes; what the system does not tell is left out.
func (c Counter) MarshalJSON() ([]byte, error) {
	return json.Marshal(counterForm{c.Name, c.Unit, told(c.Used), told(c.Limit), told(c.Refused), told(c.ItemBytes)})
}

// UnmarshalJSON takes what MarshalJSON gives.
func (c *Counter) UnmarshalJSON(text []byte) error {
	var form counterForm
	if err := json.Unmarshal(text, &form); err != nil {
		return err
	}
	*c = Counter{form.Name, form.Unit, untold(form.Used), untold(form.Limit), untold(form.Refused), untold(form.ItemBytes)}
	return nil
}

func told(n int64) *Value {
	if n == NotTold {
		return nil
	}
	v := Number(n)
	return &v
}

func untold(v *Value) int64 {
	if v == nil || v.Count == 0 {
		return NotTold
	}
	return v.Numbers[0]
}

// list is never null in JSON.
func list[T any](s []T) []T {
	if s == nil {
		return []T{}
	}
	return s
}
