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

// failureDocument is what --json prints where nothing could be done at all.
type failureDocument struct {
	Schema  int    `json:"schema"`
	Command string `json:"command"`
	Error   string `json:"error"`
	Hint    string `json:"hint,omitempty"`
}

func failureOf(command string, err error) failureDocument {
	d := failureDocument{Schema: bootbuilder.ReportSchema, Command: command, Error: "failed"}
	if err != nil {
		d.Error, d.Hint = err.Error(), hintOf(err)
	}
	return d
}

func (u *ui) printJSON(document any) error {
	u.documented = true
	e := json.NewEncoder(u.out)
	e.SetIndent("", "  ")
	return e.Encode(document)
}
