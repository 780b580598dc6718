// Sentences of the pages themselves. Those between «» in the specification are here byte for byte; what the server
// says comes in its answers.

export const words = {
  alreadyLogged: 'User already logged. Do you want to continue?',
  takenOver: 'Another user has logged with your credentials. Multiple logins not allowed.',
  connectionLost: 'WARNING Experiencing network connectivity issues. Please check your internet connection.',

  noConnection: 'Hotseat cannot be reached right now. Please check your connection and try again.',
  serverBusy: 'Hotseat is busy at the moment. Please try again in a few seconds.',
  unexpected: (status: number) => `Hotseat gave an unexpected answer (${status}). Please try again.`,
  nameMissing: 'Please enter your agent username.',
  passwordMissing: 'Please enter your password.',
  choosePhone: 'Please choose a telephone first.',
  cookiesBlocked: 'Your browser blocks cookies for this site, so the login cannot be kept.',
  oldMissing: 'Please enter your password of now.',
  codeMissing: 'Please enter the six digits.',
  codeOrRecoveryMissing: 'Please enter a code.',
  recoveryMissing: 'Please enter one of your recovery codes.',
  passkeyNotShown: 'No passkey was used. Try again, or take another way.',
  passkeyNotMade: 'No passkey was made. Try again, or use an authenticator app.',
  emailMissing: 'Please enter your e-mail address.',
  loginExpired: 'That took a little long. Please enter your password again.',
} as const
