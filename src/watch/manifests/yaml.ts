/** The YAML reader, in a file of its own so that it can be loaded late: it is CommonJS, of which a bundle knows names only statically. */
export { parseAllDocuments } from 'yaml'
