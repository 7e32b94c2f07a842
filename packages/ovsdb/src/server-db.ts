/** The part of ovsdb-server's own database, ovsdb-server(5), that says whether a server is one to talk to. */

export const SERVER = {
  name: '_Server',
  tables: {
    Database: {
      name: 'string',
      model: 'string',
      connected: 'boolean',
      leader: 'boolean',
    },
  },
} as const
