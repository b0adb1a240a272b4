import { copyFileSync } from 'node:fs';

// The stylesheet is written as it is served: pages with React link it, the element carries it.
copyFileSync('src/react/styles.css', 'dist/styles.css');
