SELECT renew_lease(:client_id);
