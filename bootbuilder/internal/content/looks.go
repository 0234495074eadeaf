package content

import "io"

// Looks reports whether the file of this name on $BOOT looks like the image: its texts are the same, its
// other sections are as long, and it carries a signature if it should. No byte of a kernel or
// a ramdisk is read. It tells what the name promises from what somebody else put there under
// it; whether every byte is right is for the firmware, and for [Image.Same].
func (m Image) Looks(r *Reader, name string) bool {
	f, image, err := r.openImage(Source{Boot: name})
	if err != nil {
		return false
	}
	defer f.Close()
	if image.Signed() != (m.Certificate != nil) {
		return false
	}
	if _, err := image.Certificates(); err != nil { // they are not the end of the file
		return false
	}
	for _, want := range m.Sections {
		have, ok := image.Section(want.Name)
		if !ok {
			return false
		}
		if want.Files != nil {
			n, err := Joined{want.Files}.Size(r)
			if err != nil || int64(have.VirtualSize) != n {
				return false
			}
			continue
		}
		text, err := io.ReadAll(io.LimitReader(image.Open(have), int64(len(want.Text))+1))
		if err != nil || string(text) != string(want.Text) {
			return false
		}
	}
	return true
}
