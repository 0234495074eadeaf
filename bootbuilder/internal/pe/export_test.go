package pe

import "io"

// SetReader gives an image another reader, which is to have the same content.
func SetReader(im *Image, r io.ReaderAt) { im.r = r }

// SetBase gives an assembly another base than it was planned with.
func SetBase(a *Assembly, r io.ReaderAt) {
	for i, p := range a.parts {
		if p.src == a.base.r {
			a.parts[i].src = r
		}
	}
	a.base.r = r
}
