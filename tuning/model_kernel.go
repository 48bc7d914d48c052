package tuning

// Kernel are the parts of a model that are the kernel's, not the server's.
func (m Model) Kernel() []Part {
	var parts []Part
	for _, p := range m.Parts {
		if p.Name != partSession && p.Name != partServer {
			parts = append(parts, p)
		}
	}
	return parts
}
