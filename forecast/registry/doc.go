// Package registry keeps trained models in a bucket: immutable versions, and
// an append-only log of which of them was the champion when.
//
// A version is a file of weights and a [Manifest] that says where they come
// from and what they are worth. It exists from the moment its manifest does,
// so whatever is interrupted before leaves nothing that a reader would see.
// The champion is the newest entry of the log; going back to an older version
// is one more entry. Nothing is ever overwritten or deleted, hence a reader
// needs no lock and an interrupted writer harms nobody.
//
// The weights are bytes to this package. README.md beside it is the reference
// of the objects, their names and their fields.
package registry
