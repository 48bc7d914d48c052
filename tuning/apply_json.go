package tuning

import "encoding/json"

type changeForm struct {
	Name    string `json:"name"`
	Kind    Kind   `json:"kind"`
	Have    Value  `json:"have"`
	Need    Value  `json:"need"`
	Set     Value  `json:"set"`
	Action  Action `json:"action"`
	Short   bool   `json:"short"`
	Reason  string `json:"reason"`
	Done    bool   `json:"done"`
	Problem string `json:"problem"`
}

// MarshalJSON has the keys name, kind, have, need, set, action, short, reason, done, problem.
func (c Change) MarshalJSON() ([]byte, error) {
	return json.Marshal(changeForm{c.Limit.Name, c.Limit.Kind, c.Have, c.Need, c.Set, c.Action, c.Short, c.Reason, c.Done, c.Problem})
}

type fileChangeForm struct {
	Path   string   `json:"path"`
	Action Action   `json:"action"`
	Before string   `json:"before"`
	Block  string   `json:"block"`
	Notes  []string `json:"notes"`
	Done   bool     `json:"done"`
}

// MarshalJSON has the keys path (from the root), action, before, block, notes, done.
func (f FileChange) MarshalJSON() ([]byte, error) {
	return json.Marshal(fileChangeForm{"/" + f.Path, f.Action, f.Before, f.Block, list(f.Notes), f.Done})
}

type proposalForm struct {
	Schema  int          `json:"schema"`
	Machine Machine      `json:"machine"`
	Load    Load         `json:"load"`
	Values  []Change     `json:"limits"`
	Files   []FileChange `json:"files"`
	Next    []string     `json:"next"`
}

// MarshalJSON has the keys schema, machine, load, limits, files, next.
func (p Proposal) MarshalJSON() ([]byte, error) {
	return json.Marshal(proposalForm{Schema, p.Machine, p.Load, list(p.Values), list(p.Files), list(p.Next)})
}
