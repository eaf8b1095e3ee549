"""Work and training on several processes and machines; the only room that imports ray."""
