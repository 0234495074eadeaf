package main

import "github.com/xen-boot-builder/xen-boot-builder/bootbuilder"

// What --json prints of an ESP that could not even be looked at.

func failedReport(esp string, err error) *bootbuilder.Report {
	return withError(&bootbuilder.Report{
		Schema: bootbuilder.ReportSchema, ESP: esp, Boot: esp, Generations: []bootbuilder.GenerationReport{},
		Removed: []bootbuilder.FileReport{}, Warnings: []bootbuilder.Warning{},
	}, err)
}

// withError notes in a report what went wrong, if anything did.
func withError(r *bootbuilder.Report, err error) *bootbuilder.Report {
	if err != nil {
		r.Error, r.Hint = err.Error(), bootbuilder.Hint(err)
	}
	return r
}

func failedInspection(esp string, err error) *bootbuilder.Inspection {
	return &bootbuilder.Inspection{
		Schema: bootbuilder.ReportSchema, ESP: esp, Boot: esp, Error: err.Error(), Hint: bootbuilder.Hint(err),
		Entries: []bootbuilder.EntryStatus{}, Without: []bootbuilder.GenerationStatus{}, Problems: []string{}, Notes: []string{},
	}
}

func failedStatus(esp string, err error) *bootbuilder.StatusReport {
	return &bootbuilder.StatusReport{
		Schema: bootbuilder.ReportSchema, ESP: esp, Boot: esp, Error: err.Error(), Hint: bootbuilder.Hint(err),
		SecureBoot: bootbuilder.SecureBootUnknown, Proven: []bootbuilder.ProvenStatus{}, Layouts: []bootbuilder.Layout{},
		Todo: []bootbuilder.Todo{}, Notes: []string{},
	}
}

func failedCompare(before, after string, err error) *bootbuilder.CompareReport {
	return &bootbuilder.CompareReport{
		Schema: bootbuilder.ReportSchema, Before: before, After: after, Error: err.Error(), Hint: bootbuilder.Hint(err),
		Comparison: bootbuilder.Comparison{With: before, Differences: []bootbuilder.Difference{}},
	}
}
