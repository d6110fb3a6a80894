"""What API and pages share as an HTTP service: problems, access, validation, cursors."""
