package main

import "github.com/xen-boot-builder/xen-boot-builder/bootbuilder"

func (u *ui) renderRemove(c *commandLine, r *bootbuilder.Report, err error) {
	if r == nil {
		return
	}
	for _, w := range r.Warnings {
		if !w.Advice || c.verbosity != quiet {
			u.warn(w.Message)
		}
	}
	if c.verbosity == quiet {
		return
	}
	outcome := "done."
	switch {
	case err != nil:
		outcome = "failed."
	case len(r.Removed) == 0:
		outcome = "none found."
	case r.DryRun:
		outcome = "nothing removed (dry run)."
	}
	u.printf("Removing Xen Project Hypervisor boot entries...%s\n", outcome)
	if c.verbosity == normal {
		u.lines(oneShotLines(u.screen, r))
		return
	}
	u.lines(removedLines(r))
	if r.LoaderConf != nil {
		u.printf("%s\n", u.paint(bold, "loader.conf"))
		u.lines(diffLines(u.screen, "", r.LoaderConf.Diff))
	}
	if c.verbosity == debug {
		u.lines(durationLines(r.Steps))
	}
	u.lines(lastLines(u.screen, r))
}
