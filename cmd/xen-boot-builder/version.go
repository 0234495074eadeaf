package main

import (
	"context"
	"encoding/json"
	"runtime"
	buildinfo "runtime/debug"
)

// runVersion prints the version that the build noted.
func runVersion(_ context.Context, c *commandLine, ui *ui) error {
	v := buildVersion()
	if c.json {
		return json.NewEncoder(ui.out).Encode(map[string]string{
			"version": v, "go": runtime.Version(), "platform": runtime.GOOS + "/" + runtime.GOARCH,
		})
	}
	ui.printf("%s %s (%s, %s/%s)\n", program, v, runtime.Version(), runtime.GOOS, runtime.GOARCH)
	return nil
}

// version is set by packagers whose build has no version control in it:
// -ldflags "-X main.version=1.2.3".
var version string

// buildVersion is the packager's version, the module's, or the commit's.
func buildVersion() string {
	if version != "" {
		return version
	}
	if info, ok := buildinfo.ReadBuildInfo(); ok && info.Main.Version != "" {
		return info.Main.Version
	}
	return "(unknown)"
}
