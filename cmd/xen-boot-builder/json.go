package main

import (
	"encoding/json"

	"github.com/xen-boot-builder/xen-boot-builder/bootbuilder"
)

// document is what --json prints: docs/report.schema.json.
type document struct {
	Schema  int                   `json:"schema"`
	Command string                `json:"command"`
	ESPs    []*bootbuilder.Report `json:"esps"`
}

func (u *ui) printJSON(document any) error {
	e := json.NewEncoder(u.out)
	e.SetIndent("", "  ")
	return e.Encode(document)
}
