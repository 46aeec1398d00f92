mod presign;
