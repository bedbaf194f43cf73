"""What studies measure of nets: each function is one answer to "how is this net doing here?"."""
