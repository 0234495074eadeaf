package transaction

import "slices"

// Without are the steps without some.
func (s *Steps) Without(drop func(Step) bool) *Steps {
	c := *s
	c.list = slices.DeleteFunc(slices.Clone(s.list), drop)
	return &c
}

// Phase says which part of the run a step belongs to.
func (s Step) Phase() int { return int(s.phase) }

// The parts of a run.
const (
	PhaseNames    = int(phaseNames)
	PhaseClusters = int(phaseClusters)
	PhasePayload  = int(phasePayload)
	PhaseEntries  = int(phaseEntries)
	PhaseStale    = int(phaseStale)
)
