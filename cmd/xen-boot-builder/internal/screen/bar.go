package screen

import (
	"fmt"
	"strings"
)

// Bar is a progress bar as one line: the file in hand, how much of all is done.
//
//	kernel-6.12.58.efi            42 % [########            ] 12.4 of 29.6 MiB
//
// What does not fit goes from the right to the left: the sizes, then the bar.
func Bar(s Screen, done, total int64, name string) string {
	const nameWidth, barWidth, mib = 28, 20, 1 << 20
	total = max(total, 1)
	done = min(max(done, 0), total)
	name = Cut(Printable(name), nameWidth)
	filled := int(float64(done) / float64(total) * barWidth)
	parts := []string{
		name + strings.Repeat(" ", nameWidth-Width(name)) + fmt.Sprintf(" %3d %%", int(float64(done)/float64(total)*100)),
		" [" + strings.Repeat("#", filled) + strings.Repeat(" ", barWidth-filled) + "]",
		fmt.Sprintf(" %.1f of %.1f MiB", float64(done)/mib, float64(total)/mib),
	}
	line := ""
	for _, part := range parts {
		// A terminal may go to the next line as soon as its last column is filled.
		if s.Width > 0 && Width(line)+Width(part) >= s.Width {
			break
		}
		line += part
	}
	return line
}
