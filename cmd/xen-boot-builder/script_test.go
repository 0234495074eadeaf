package main

import (
	"flag"
	"os"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/xen-boot-builder/xen-boot-builder/fixtures"
)

var update = flag.Bool("update", false, "write the golden files anew")

// TestMain makes the test binary answer to the program's name too, for the scripts. This machine's
// own configuration file, ESP and EFI variables have no part in them: their file is $CONFIG, and the system
// below $RUNNING, if that is set, is the running one, with $EFIVARS and $SYSFS.
func TestMain(m *testing.M) {
	fixtures.UseMemory()
	testscript.Main(m, map[string]func(){program: func() {
		os.Exit(process(os.Getenv("CONFIG"), nil, running{os.Getenv("RUNNING"), os.Getenv("EFIVARS"), os.Getenv("SYSFS")}))
	}})
}

// TestScripts runs testdata/script/*.txtar, one for each behaviour of the command line. Beside
// testscript's own commands there are those of scriptCommands.
func TestScripts(t *testing.T) {
	t.Parallel()
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		Cmds:                scriptCommands(),
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		UpdateScripts:       *update,
		Setup: func(env *testscript.Env) error {
			env.Values[machineKey{}] = &machine{}
			env.Values[snapshotsKey{}] = make(map[string]map[string]string)
			return nil
		},
	})
}
