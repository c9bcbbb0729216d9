import { createVerifier } from '@daemun/verify';
import { protectedResource } from '@daemun/verify/express';
import express from 'express';

const verifier = createVerifier({ issuer: 'https://id.example.com', audience: 'https://api.example.com' });
const resource = protectedResource(verifier);

const app = express();
app.use(resource.metadata);
app.get('/me', resource.authenticate, (req, res) => {
  res.json({ subject: req.caller?.subject });
});
app.listen(4001);
