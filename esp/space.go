package esp

import "fmt"

// Space is the room on a file system, in bytes.
type Space struct {
	Free    int64 // what can still be written
	Total   int64
	Cluster int64 // a file takes whole clusters of this size; 0 where unknown
}

// Rounded is the room that a file of size bytes takes: whole clusters.
func (s Space) Rounded(size int64) int64 {
	if s.Cluster <= 0 {
		return size
	}
	return (size + s.Cluster - 1) / s.Cluster * s.Cluster
}

// FormatSize writes a number of bytes for people: "2.7 MiB".
func FormatSize(n int64) string {
	const unit = 1024
	if n < unit {
		return fmt.Sprintf("%d B", n)
	}
	value, suffix := float64(n), ""
	for _, s := range []string{"KiB", "MiB", "GiB", "TiB"} {
		value, suffix = value/unit, s
		if value < unit {
			break
		}
	}
	return fmt.Sprintf("%.1f %s", value, suffix)
}
