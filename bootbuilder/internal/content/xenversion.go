package content

import (
	"bytes"
	"io"
	"unicode/utf16"
)

// maxInit bounds what is read of an image's .init, in bytes; 4.17 to 4.22 have 650 KiB.
const maxInit = 2 << 20

// XenVersion is the version that the Xen in an image on $BOOT says it has when it is started, "" where it can't be found:
// "Xen 4.20.2 (c/s …) EFI loader", in UTF-16, in .init (Xen, xen/common/efi/boot.c).
func (r *Reader) XenVersion(name string) string {
	f, image, err := r.openImage(Source{Boot: name})
	if err != nil {
		return ""
	}
	defer f.Close()
	section, ok := image.Section(".init")
	if !ok {
		return ""
	}
	text, err := io.ReadAll(io.LimitReader(image.Open(section), maxInit))
	if err != nil {
		return ""
	}
	return versionIn(text)
}

// versionIn finds the version in the text that Xen prints first.
func versionIn(text []byte) string {
	before, behind := inUTF16("Xen "), inUTF16(" (c/s ")
	for {
		end := bytes.Index(text, behind)
		if end < 0 {
			return ""
		}
		const longest = 2 * 64
		start := bytes.LastIndex(text[max(0, end-longest):end], before)
		if start >= 0 {
			start += max(0, end-longest) + len(before)
			if version := plainASCII(text[start:end]); version != "" {
				return version
			}
		}
		text = text[end+len(behind):]
	}
}

// plainASCII is UTF-16 as a word, "" for what is none.
func plainASCII(text []byte) string {
	var word []byte
	for i, c := range text {
		switch {
		case i%2 == 0 && c > ' ' && c < 0x7f:
			word = append(word, c)
		case i%2 == 0 || c != 0:
			return ""
		}
	}
	if len(text)%2 != 0 {
		return ""
	}
	return string(word)
}

func inUTF16(s string) []byte {
	var b []byte
	for _, u := range utf16.Encode([]rune(s)) {
		b = append(b, byte(u), byte(u>>8))
	}
	return b
}
