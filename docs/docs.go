// Package docs holds the manual page, xen-boot-builder(8), as the program prints it with help man.
// It is mdoc(7) source; the other texts beside it are for people who read the repository.
package docs

import _ "embed"

//go:embed xen-boot-builder.8
var manual string

// Manual is the manual page.
func Manual() string { return manual }
