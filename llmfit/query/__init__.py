"""What is asked: the parameter table, and the engine that turns a query and a machine into a page of rows."""
