package pe

import "fmt"

// maxCertificates bounds an attribute certificate table, in bytes. Real ones have a
// few thousand.
const maxCertificates = 1 << 20

// Signed says whether the image claims to carry an attribute certificate table. That
// says nothing about the signatures in it.
func (im *Image) Signed() bool {
	_, size := im.directory(securityDirectory)
	return size != 0
}

// Certificates reads the raw attribute certificate table: nil for an unsigned image,
// an error for a table that is not the end of the file or is over 1 MiB.
func (im *Image) Certificates() ([]byte, error) {
	end, err := im.contentSize()
	if err != nil || !im.Signed() {
		return nil, err
	}
	if im.size-end > maxCertificates {
		return nil, fmt.Errorf("read certificate table: %d bytes, more than %d are refused", im.size-end, maxCertificates)
	}
	table, err := readAt(im.r, end, int(im.size-end))
	if err != nil {
		return nil, fmt.Errorf("read certificate table: %w", err)
	}
	return table, nil
}

// contentSize is the size of the file without its attribute certificate table. The
// table has to be the file's end: bytes behind it would be neither content nor
// signature, and tools disagree on what to do with them.
func (im *Image) contentSize() (int64, error) {
	if !im.Signed() {
		return im.size, nil
	}
	// The Security directory is the one directory that holds a file offset.
	addr, size := im.directory(securityDirectory)
	off := int64(addr)
	if off < int64(len(im.head)) || off+int64(size) != im.size {
		return 0, fmt.Errorf("find certificate table: bytes %d to %d are not the end of a file of %d",
			off, off+int64(size), im.size)
	}
	return off, nil
}
