package bootbuilder

import (
	"context"
	"os"
	"time"

	"github.com/xen-boot-builder/xen-boot-builder/bootbuilder/internal/content"
)

// stopwatch says how long each stage of planning took.
type stopwatch struct {
	last   time.Time
	stages []StepReport
}

func startWatch() *stopwatch { return &stopwatch{last: time.Now()} }

// done ends a stage; the next one begins.
func (w *stopwatch) done(stage string) {
	now := time.Now()
	w.stages = append(w.stages, StepReport{stage, now.Sub(w.last).Seconds()})
	w.last = now
}

// StageSign is the one stage that is not of the plan: it is a part of writing.
const StageSign = "sign"

// Stages are what was done to make the plan, in order, and how long each took.
func (p *Plan) Stages() []StepReport { return append([]StepReport(nil), p.stages...) }

// timed is a signer that adds up in took how long signing takes: within a run it is a part of writing.
func timed(sign Signer, took *time.Duration) Signer {
	switch s := sign.(type) {
	case content.DigestSigner:
		return timedDigestSigner{s, took}
	case content.FileSigner:
		return timedFileSigner{s, took}
	}
	return sign
}

type timedDigestSigner struct {
	content.DigestSigner
	took *time.Duration
}

func (s timedDigestSigner) SignDigest(digest [32]byte) ([]byte, error) {
	start := time.Now()
	defer func() { *s.took += time.Since(start) }()
	return s.DigestSigner.SignDigest(digest)
}

type timedFileSigner struct {
	content.FileSigner
	took *time.Duration
}

// Sign counts from when the unsigned file is there until the signed one is.
func (s timedFileSigner) Sign(ctx context.Context, tmp string, write func(*os.File) error, use func(*os.File, int64) error) error {
	var start time.Time
	return s.FileSigner.Sign(ctx, tmp, func(f *os.File) error {
		err := write(f)
		start = time.Now()
		return err
	}, func(f *os.File, size int64) error {
		*s.took += time.Since(start)
		return use(f, size)
	})
}
