package screen

import "testing"

func TestBar(t *testing.T) {
	t.Parallel()
	const mib = 1 << 20
	for _, c := range []struct {
		width       int
		done, total int64
		name        string
		want        string
	}{
		{80, 0, 10 * mib, "kernel.efi", "kernel.efi                     0 % [                    ] 0.0 of 10.0 MiB"},
		{80, 5 * mib, 10 * mib, "機械.efi", "機械.efi                      50 % [##########          ] 5.0 of 10.0 MiB"},
		{80, 10 * mib, 10 * mib, "a", "a                            100 % [####################] 10.0 of 10.0 MiB"},
		{80, 20 * mib, 10 * mib, "more than all", "more than all                100 % [####################] 10.0 of 10.0 MiB"},
		{80, -1, 0, "nothing\r", `nothing\x0d                    0 % [                    ] 0.0 of 0.0 MiB`},
		{60, 0, mib, "0123456789012345678901234567890", "012345678901234567890123456…   0 % [                    ]"},
		{40, 0, mib, "a", "a                              0 %"},
		{10, 0, mib, "a", ""},
		{0, 0, 1000 * mib, "a", "a                              0 % [                    ] 0.0 of 1000.0 MiB"},
	} {
		if got := Bar(Screen{Width: c.width}, c.done, c.total, c.name); got != c.want {
			t.Errorf("%q at %d columns:\n%q, want\n%q", c.name, c.width, got, c.want)
		}
	}
}
